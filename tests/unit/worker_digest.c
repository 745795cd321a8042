/* worker_digest.c - unit tests of core/worker/digest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/worker/digest.h"

/* FIPS 180-2, appendix B. */
#define ABC       "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define MILLION_A "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
#define NOTHING   "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void knows_the_standard_vectors(void **state)
{
    char out[DV_DIGEST_BYTES];
    struct dv_error err = {0};

    (void)state;
    assert_int_equal(dv_digest_of("abc", 3, out, &err), 0);
    assert_string_equal(out, ABC);
    assert_int_equal(dv_digest_of("", 0, out, &err), 0);
    assert_string_equal(out, NOTHING);
}

static void is_the_same_in_pieces(void **state)
{
    static char a[1000];
    char out[DV_DIGEST_BYTES];
    struct dv_error err = {0};
    dv_autodigest d = {0};

    (void)state;
    memset(a, 'a', sizeof(a));
    assert_int_equal(dv_digest_init(&d, &err), 0);
    for (size_t left = 1000000, n = 1; left > 0; left -= n, n = n % 997 + 1) {
        n = n < left ? n : left;
        dv_digest_put(&d, a, n);
    }
    assert_int_equal(d.n_bytes, 1000000);
    dv_digest_end(&d, out);
    assert_string_equal(out, MILLION_A);
}

static void chains_as_the_spec_says(void **state)
{
    char out[DV_DIGEST_BYTES], by_hand[DV_DIGEST_BYTES];
    struct dv_error err = {0};

    (void)state;
    assert_int_equal(dv_digest_chain("", ABC, out, &err), 0);
    assert_string_equal(out, ABC); /* the base layer's ChainID is its DiffID */
    assert_int_equal(dv_digest_chain(ABC, NOTHING, out, &err), 0);
    assert_int_equal(dv_digest_of(ABC " " NOTHING, strlen(ABC " " NOTHING), by_hand, &err), 0);
    assert_string_equal(out, by_hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_standard_vectors),
        cmocka_unit_test(is_the_same_in_pieces),
        cmocka_unit_test(chains_as_the_spec_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
