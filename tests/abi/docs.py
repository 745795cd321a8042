# docs.py - docs/plugin-abi.md shows the headers as they are. docs.py PLUGIN_ABI_MD HEADER...
import pathlib
import sys

text = pathlib.Path(sys.argv[1]).read_text()
missing = [h for h in sys.argv[2:] if '```c\n' + pathlib.Path(h).read_text() + '```\n' not in text]
for header in missing:
    print(f'{sys.argv[1]}: its copy of {header} differs: put the header in its place')
sys.exit(bool(missing))
