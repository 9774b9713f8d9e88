#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/maths.h"
#include "base/rng.h"

static int64_t order_of(double x)
{
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits < 0 ? INT64_MIN - bits : bits;
}

static void assert_near(const char *name, double x, double answer, double expected)
{
    if (isnan(answer) && isnan(expected))
        return;
    int64_t ulp = order_of(answer) - order_of(expected);
    if (isnan(answer) || isnan(expected) || ulp > 3 || ulp < -3)
        fail_msg("%s(%.17g) = %.17g, expected %.17g", name, x, answer, expected);
}

/* Of either sign, all magnitudes between 2^-60 and 2^<powers>. */
static double draw(struct rng *rng, int powers)
{
    double size = ldexp(1 + rng_unit(rng), (int)rng_below(rng, (uint64_t)powers + 60) - 60);
    return rng_below(rng, 2) ? size : -size;
}

static void within_4_ulp_of_the_c_library(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 1);
    for (int i = 0; i < 200000; i++) {
        double x = draw(&rng, 10), positive = fabs(draw(&rng, 900));
        assert_near("exp", x, maths_exp(x), (double)expl(x));
        assert_near("log", positive, maths_log(positive), (double)logl(positive));
        double one = 1 + draw(&rng, -3);
        assert_near("log", one, maths_log(one), (double)logl(one));
        assert_near("tanh", x, maths_tanh(x), (double)tanhl(x));
        double angle = draw(&rng, 20);
        assert_near("sin", angle, maths_sin(angle), (double)sinl(angle));
        assert_near("cos", angle, maths_cos(angle), (double)cosl(angle));
        double y = draw(&rng, 4);
        assert_near("pow", positive, maths_pow(positive, y), (double)powl(positive, y));
        y = draw(&rng, 50);
        assert_near("pow", one, maths_pow(one, y), (double)powl(one, y));
    }
}

static void edges_answer_as_ieee_754_asks(void **state)
{
    (void)state;
    assert_true(maths_exp(0) == 1 && maths_log(1) == 0 && maths_tanh(0) == 0);
    assert_true(isinf(maths_exp(710)) && maths_exp(-746) == 0);
    assert_near("exp", -745.1, maths_exp(-745.1), (double)expl(-745.1));
    assert_near("exp", -708.5, maths_exp(-708.5), (double)expl(-708.5));
    assert_near("exp", 709.78, maths_exp(709.78), (double)expl(709.78));
    assert_near("log", 5e-324, maths_log(5e-324), (double)logl(5e-324));
    assert_true(isinf(maths_log(0)) && isnan(maths_log(-1)));
    assert_true(maths_pow(2, 10) == 1024 && maths_pow(2, -1074) == 5e-324);
    assert_true(maths_pow(10, 0) == 1 && maths_pow(0, 2) == 0 && isnan(maths_pow(-1, 2)));
    assert_true(isinf(maths_pow(1.5, 1e300)) && maths_pow(0.5, 1e300) == 0);
    assert_true(maths_tanh(30) == 1 && maths_tanh(-30) == -1);
    assert_true(isnan(maths_sin(1e30)) && isnan(maths_cos(NAN)));
    double half_pi = 1.57079632679489655800e+00;
    assert_near("cos", half_pi, maths_cos(half_pi), (double)cosl(half_pi));
    assert_near("sin", 2 * half_pi, maths_sin(2 * half_pi), (double)sinl(2 * half_pi));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(within_4_ulp_of_the_c_library),
        cmocka_unit_test(edges_answer_as_ieee_754_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
