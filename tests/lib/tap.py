"""tap - results of a Python test as TAP, one line a test."""
import traceback

count = 0


def result(name, problems=(), skip=None):
    """One line: ok, or not ok with each of PROBLEMS below it."""
    global count
    count += 1
    problems = [str(p) for p in problems]
    print("%sok %d %s%s" % ("not " if problems else "", count, name, " # skip " + skip if skip else ""))
    for problem in problems:
        for line in problem.splitlines():
            print("# " + line)


def test(name, function, *args):
    """FUNCTION passes unless it raises, or gives back a list of problems."""
    try:
        result(name, function(*args) or ())
    except Exception:  # a test's fault is its own, the next ones go on
        result(name, [traceback.format_exc(limit=4)])


def done():
    """The plan; a report that ends without one was broken off."""
    print("1..%d" % count)
