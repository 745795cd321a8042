# older.py - copies of the plugin API as if it had not grown yet: the last members are left out.
# older.py SOURCE_DIR OUT_DIR
import pathlib
import sys

# file -> first and last line (by their beginning) of what is cut
CUTS = {
    'plugin.h': [
        ('    int32_t (*reload)(void *self,', '    void    (*fini)(void *self);'),
        ('    /* Optional service tables', '    const void *(*service)('),
    ],
    'storage.h': [('    int32_t (*open_diff)(', '    int32_t (*status)(')],
}

source, out = (pathlib.Path(p) for p in sys.argv[1:])
out.mkdir(parents=True, exist_ok=True)
for name, cuts in CUTS.items():
    text = (source / name).read_text()
    for first, last in cuts:
        start = text.index('\n' + first) + 1
        end = text.index('\n', text.index('\n' + last, start - 1) + 1) + 1
        text = text[:start] + text[end:]
    (out / name).write_text(text)
