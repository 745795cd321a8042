/* names.c - container names: the rule for them, and random ones. */
#include "core/container/names.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/base/id.h"

static const char *const adjectives[] = {
    "able",    "agile",   "amber",    "ample",   "azure",   "bold",    "brave",   "breezy",
    "bright",  "brisk",   "calm",     "candid",  "careful", "cheerful", "civil",  "clever",
    "cosmic",  "crisp",   "curious",  "dapper",  "daring",  "deft",    "eager",   "earnest",
    "elated",  "epic",    "exact",    "fair",    "famous",  "fearless", "festive", "fleet",
    "fond",    "frank",   "gallant",  "gentle",  "glad",    "golden",  "grand",   "happy",
    "hardy",   "honest",  "humble",   "ideal",   "jolly",   "jovial",  "keen",    "kind",
    "lively",  "lucid",   "lucky",    "mellow",  "merry",   "mighty",  "modest",  "neat",
    "nimble",  "noble",   "patient",  "polite",  "prime",   "proud",   "quick",   "quiet",
    "rapid",   "ready",   "robust",   "serene",  "sharp",   "silent",  "sleek",   "smart",
    "solid",   "spry",    "stable",   "steady",  "sunny",   "swift",   "tidy",    "trusty",
    "upbeat",  "vivid",   "warm",     "wise",    "witty",   "zealous",
};
static const char *const surnames[] = {
    "abel",     "ampere",    "babbage",   "bardeen",  "bernoulli", "bohr",     "boole",
    "brahe",    "cantor",    "cassini",   "cauchy",   "celsius",  "church",    "copernicus",
    "coulomb",  "curie",     "dalton",    "darwin",   "descartes", "dijkstra", "dirac",
    "einstein", "erdos",     "euclid",    "euler",    "faraday",  "fermat",    "fermi",
    "feynman",  "fibonacci", "fourier",   "franklin", "galileo",  "galois",    "gauss",
    "germain",  "goedel",    "goldberg",  "hamilton", "hawking",  "heisenberg", "hertz",
    "hilbert",  "hodgkin",   "hopper",    "hubble",   "huygens",  "hypatia",   "jacobi",
    "joule",    "kelvin",    "kepler",    "kilby",    "knuth",    "lagrange",  "lamarr",
    "laplace",  "leibniz",   "liskov",    "lovelace", "maxwell",  "mccarthy",  "meitner",
    "mendel",   "mendeleev", "mirzakhani", "newton",  "noether",  "ohm",       "pascal",
    "pasteur",  "planck",    "poincare",  "ramanujan", "riemann", "ritchie",   "roentgen",
    "rutherford", "sammet",  "shannon",   "somerville", "tesla",  "thompson",  "torvalds",
    "turing",   "volta",     "watt",      "wiles",    "wing",     "yalow",
};

int dv_name_check(const char *name, struct dv_error *err)
{
    const char *p = *name == '/' ? name + 1 : name;
    size_t n = strlen(p);
    bool good = n >= 2 && n <= 255 && isalnum((unsigned char)p[0]);

    for (size_t i = 1; good && i < n; i++)
        good = isalnum((unsigned char)p[i]) || strchr("_.-", p[i]);
    if (good)
        return 0;
    return dv_fail(err, DV_E_INVALID,
                   "Invalid container name (%.300s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
                   name);
}

void dv_name_random(char out[64], unsigned retry)
{
    uint32_t dice[3];
    char digit[4] = "";

    dv_random(dice, sizeof(dice));
    if (retry)
        snprintf(digit, sizeof(digit), "%u", dice[2] % 10);
    snprintf(out, 64, "%s_%s%s", adjectives[dice[0] % N(adjectives)],
             surnames[dice[1] % N(surnames)], digit);
}
