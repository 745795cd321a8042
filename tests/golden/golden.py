"""golden.py - scripted lines, what they print with the changing parts masked, and the comparison."""
import difflib
import fnmatch
import json
import re

# How a line of tests/golden/lines/* begins: what is compared of its output.
KINDS = {
    "$": "text",          # exit code, stdout and stderr, line by line
    "sort$": "sorted",    # the same, where the order of the lines says nothing
    "json$": "json",      # stdout is JSON, compared field by field
    "do$": "preparation", # must succeed; its output says nothing
}


class Line:
    """One scripted line: the shell COMMAND and the KIND of comparison."""

    def __init__(self, kind, command):
        self.kind, self.command = kind, command


def read_lines(path):
    lines = []
    with open(path, encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            text = text.strip()
            if not text or text.startswith("#"):
                continue
            mark, _, command = text.partition(" ")
            if mark not in KINDS:
                raise SystemExit(f"{path}:{number}: a line begins with one of {' '.join(KINDS)}")
            lines.append(Line(KINDS[mark], command.strip()))
    return lines


class Masks:
    """Replaces what differs from run to run by names that keep who is who. KNOWN (value: name) holds what
    was asked of the machine and the engine: a wrong value stays visible. An identifier that is not known
    becomes <id-1> wherever it stands in the line's output, its short form <id-1:12>. Dates, spans of
    time, and the numbers of a few named fields are masked; nothing else is touched."""

    ID = re.compile(r"\b[0-9a-f]{64}\b|\b(?=[0-9]*[a-f])[0-9a-f]{12}\b")
    # Fixed dates of the test images and Docker's zero time stay.
    TIME = re.compile(r"\b20(?!24-01-01)\d\d-\d\d-\d\d([T ])\d\d:\d\d:\d\d(?:\.\d+)?")
    PATTERNS = [
        (re.compile(r"\b(?:\d+|About an?|Less than a) (?:second|minute)s?\b"), "<span>"),
        (re.compile(r"\b1[6-9]\d{8}\.\d{9}\b"), "<seconds.nanoseconds>"),
        (re.compile(r"\b(?:[A-Z2-7]{4}:){11}[A-Z2-7]{4}\b"), "<engine>"),
        (re.compile(r"\b(docker-import-)\d+\b"), r"\1<number>"),
        # Why a registry was not reached, in a namespace without network.
        (re.compile(r'(Get "https://[^"]+": dial tcp: )[^"]*?(\.?)$'), r"\1<no network>\2"),
    ]
    # The client prints it or not, as its goroutines happen to run.
    RACE = re.compile(r'time="\S+" level=error msg="error waiting for container: (context canceled)?"')
    # Fields of JSON whose numbers are the machine's, not the engine's.
    FIELDS = re.compile(r'((?:^|\.)(?:Pid|Created|time|NFd|NGoroutines) = )[1-9]\d*$')
    FIELDS_NANO = re.compile(r'((?:^|\.)timeNano = )[1-9]\d{18}$')

    def __init__(self):
        self.known, self.names = {}, {}

    def begin_line(self, known):
        """Forget the identifiers of the line before; KNOWN is true from now on, besides what was."""
        self.names = {}
        self.known.update(known)

    def text(self, line):
        for value, name in sorted(self.known.items(), key=lambda item: -len(item[0])):
            whole = value.startswith("^")        # "^.NCPU = 2": a whole line
            pattern = f"^{re.escape(value[1:])}$" if whole else rf"(?<!\w){re.escape(value)}(?!\w)"
            line = re.sub(pattern, name, line)
        line = self.ID.sub(self.identifier, line)
        line = self.TIME.sub(r"<date>\1<time>", line)
        for pattern, name in self.PATTERNS:
            line = pattern.sub(name, line)
        return re.sub("  +", "  ", line)       # a table's columns are as wide as the widest date

    def identifier(self, match):
        value = match.group()
        name = self.names.setdefault(value[:12], f"id-{len(self.names) + 1}")
        return f"<{name}>" if len(value) == 64 else f"<{name}:12>"

    def field(self, line):
        return self.FIELDS_NANO.sub(r"\1<nanoseconds>", self.FIELDS.sub(r"\1<number>", self.text(line)))


def flatten(value, path=""):
    """One line a field: `.State.Pid = 7`. Empty objects and lists are values. Mounts are sorted: dockerd
    gives them in no order."""
    if isinstance(value, dict) and value:
        for key in sorted(value):
            yield from flatten(value[key], f"{path}.{key}")
    elif isinstance(value, list) and value:
        if all(isinstance(item, dict) and "Destination" in item for item in value):
            value = sorted(value, key=lambda item: item["Destination"])
        for index, item in enumerate(value):
            # A list of words is known by its order alone: one more in the middle is one difference.
            yield from flatten(item, f"{path}[{index if isinstance(item, (dict, list)) else ''}]")
    else:
        yield f"{path} = {json.dumps(value, ensure_ascii=False, sort_keys=True)}"


def fields(stdout):
    """The fields of one JSON value, or of one a line."""
    try:
        return list(flatten(json.loads(stdout)))
    except ValueError:
        pass
    try:
        values = [json.loads(line) for line in stdout.splitlines()]
    except ValueError:
        return stdout.splitlines()
    return list(flatten(values))


def outcome(line, code, stdout, stderr, masks):
    """What is compared of one line that was run: a list of texts, its exit code first."""
    if line.kind == "preparation" and code == 0:
        return ["exit 0"]
    if line.kind == "json":
        out = [masks.field(field) for field in fields(stdout)]
    else:
        out = [masks.text(text) for text in stdout.splitlines()]
    if line.kind == "sorted":
        out.sort()
    return [f"exit {code}"] + [f"1 {text}" for text in out] + \
        [f"2 {masks.text(text)}" for text in stderr.splitlines() if not masks.RACE.fullmatch(text)]


# ---- the golden files ----

def write_transcript(path, lines):
    """LINES: (command, outcome) in order."""
    with open(path, "w", encoding="utf-8") as file:
        for command, texts in lines:
            file.write(f"$ {command}\n")
            file.writelines(f"  {text}\n" for text in texts)


def read_transcript(path):
    lines = []
    with open(path, encoding="utf-8") as file:
        for text in file:
            text = text.rstrip("\n")
            if text.startswith("$ "):
                lines.append((text[2:], []))
            else:
                lines[-1][1].append(text[2:])
    return lines


# ---- the comparison ----

class Difference:
    """An intended difference: in the lines that GLOB matches, dockerd says EXPECTED where davit says
    ACTUAL (regular expressions of a whole text; "-" = nothing). "?" before GLOB: on some machines only."""

    def __init__(self, glob, expected, actual, reason):
        self.always = not glob.startswith("?")
        self.glob, self.reason, self.used = glob.lstrip("?"), reason, False
        self.expected = None if expected == "-" else re.compile(expected)
        self.actual = None if actual == "-" else re.compile(actual)

    def takes(self, command, expected, actual):
        """Remove what this difference explains from the texts that stand on one side only. Named groups
        must hold the same on both sides."""
        if not fnmatch.fnmatchcase(command, self.glob):
            return
        while True:
            pair = next(((left, right) for left in matches(self.expected, expected)
                         for right in matches(self.actual, actual) if agree(left, right)), None)
            if not pair:
                return
            for match, texts in zip(pair, (expected, actual)):
                if match:
                    texts.remove(match.string)
            self.used = True


def matches(pattern, texts):
    return [match for match in map(pattern.fullmatch, texts) if match] if pattern else [None]


def agree(left, right):
    if not left or not right:
        return True
    found = right.groupdict()
    return all(found.get(name, value) == value for name, value in left.groupdict().items())


def read_differences(path):
    rules = []
    with open(path, encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            text = text.rstrip("\n")
            if not text or text.startswith("#"):
                continue
            columns = [column for column in text.split("\t") if column]
            if len(columns) != 4:
                raise SystemExit(f"{path}:{number}: needs four columns with tabs between: command, dockerd's "
                                 "text, davit's text, reason")
            rules.append(Difference(*columns))
    return rules


def compare(command, expected, actual, rules):
    """The texts that only dockerd's outcome has, and those that only davit's has, unless intended; as
    lines that begin with - and +."""
    missing, added = [], []
    matcher = difflib.SequenceMatcher(None, expected, actual, autojunk=False)
    for kind, e1, e2, a1, a2 in matcher.get_opcodes():
        if kind != "equal":
            missing += expected[e1:e2]
            added += actual[a1:a2]
    for rule in rules:
        if missing or added:
            rule.takes(command, missing, added)
    return [f"- {text}" for text in missing] + [f"+ {text}" for text in added]
