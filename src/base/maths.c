/* exp, log, sin and cos follow the reductions and coefficients of Sun's fdlibm (freely granted,
 * 1993): each reduces to a small interval with a constant in two parts and evaluates a minimax
 * polynomial there. pow needs more bits in between and carries pairs of doubles (Dekker 1971). */
#include "base/maths.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const double infinity = __builtin_inf(), not_a_number = __builtin_nan("");

/* ln 2 in two parts: the first has 21 zero bits at its end, so k * LN2_HIGH is exact. */
#define LN2_HIGH    6.93147180369123816490e-01
#define LN2_LOW     1.90821492927058770002e-10
#define INVERSE_LN2 1.44269504088896338700e+00

#define EXP_MAX 7.09782712893383973096e+02
#define EXP_MIN (-7.45133219101941108420e+02)

static double power_of_two(int k)
{
    uint64_t bits = (uint64_t)(1023 + k) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* x * 2^k, rounded once: x is near 1, -1100 < k <= 1024, so only the last factor may leave the
 * normal numbers. */
static double scale(double x, int k)
{
    if (k > 1000)
        return x * power_of_two(k - 1000) * 0x1p1000;
    if (k < -1000)
        return x * power_of_two(k + 1000) * 0x1p-1000;
    return x * power_of_two(k);
}

/* exp(high + low) - 1 for |high| <= ln2 / 2 and a <low> below its last bits. */
static double exp_small(double high, double low)
{
    double r = high + low;
    double t = r * r;
    double c =
        r - t * (1.66666666666666019037e-01 +
                 t * (-2.77777777770155933842e-03 +
                      t * (6.61375632143793436117e-05 +
                           t * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08))));
    return high - (-low - r * c / (2.0 - c));
}

/* exp(high + low), |low| far below |high|. */
static double exp_pair(double high, double low)
{
    if (high > EXP_MAX)
        return infinity;
    if (high < EXP_MIN)
        return 0.0;
    int k = (int)(INVERSE_LN2 * high + (high < 0 ? -0.5 : 0.5));
    double reduced = high - k * LN2_HIGH;
    double rest = low - k * LN2_LOW;
    return scale(1.0 + exp_small(reduced, rest), k);
}

double maths_exp(double x)
{
    return x != x ? x : exp_pair(x, 0.0);
}

/* x = mantissa * 2^k with sqrt(1/2) <= mantissa < sqrt(2); x > 0, finite. */
static double split(double x, int *ret_k)
{
    int k = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        k = -54;
    }
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    /* The top of the mantissa decides which side of sqrt(2) it is on. */
    uint64_t shifted = bits + (UINT64_C(0x95F64) << 32);
    k += (int)(bits >> 52) - 1023 + (int)((shifted >> 52) - (bits >> 52));
    uint64_t top = UINT64_C(1023) - ((shifted >> 52) - (bits >> 52));
    bits = (bits & ((UINT64_C(1) << 52) - 1)) | top << 52;
    memcpy(&x, &bits, sizeof x);
    *ret_k = k;
    return x;
}

double maths_log(double x)
{
    if (x != x || x == infinity)
        return x;
    if (x <= 0)
        return x == 0 ? -infinity : not_a_number;
    int k;
    double f = split(x, &k) - 1.0;
    double s = f / (2.0 + f), z = s * s, w = z * z;
    double even = w * (3.999999999940941908e-01 +
                       w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    double odd = z * (6.666666666666735130e-01 +
                      w * (2.857142874366239149e-01 +
                           w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
    double half_square = 0.5 * f * f;
    return k * LN2_HIGH - ((half_square - (s * (half_square + odd + even) + k * LN2_LOW)) - f);
}

/* An unevaluated sum: |low| is at most half a unit of high's last place. */
struct pair {
    double high, low;
};

static struct pair pair_sum(double a, double b)
{
    double sum = a + b, part = sum - a;
    return (struct pair){sum, (a - (sum - part)) + (b - part)};
}

static struct pair pair_product(double a, double b)
{
    double p = 134217729.0 * a, q = 134217729.0 * b; /* 2^27 + 1 halves a mantissa */
    double a_high = p - (p - a), b_high = q - (q - b);
    double a_low = a - a_high, b_low = b - b_high;
    double product = a * b;
    return (struct pair){product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) +
                                      a_low * b_low};
}

static struct pair pair_add(struct pair a, struct pair b)
{
    struct pair sum = pair_sum(a.high, b.high);
    return pair_sum(sum.high, sum.low + (a.low + b.low));
}

static struct pair pair_multiply(struct pair a, struct pair b)
{
    struct pair product = pair_product(a.high, b.high);
    return pair_sum(product.high, product.low + (a.high * b.low + a.low * b.high));
}

static struct pair pair_divide(struct pair a, struct pair b)
{
    double quotient = a.high / b.high;
    struct pair back = pair_product(quotient, b.high);
    double rest = ((a.high - back.high) - back.low + a.low) - quotient * b.low;
    return pair_sum(quotient, rest / b.high);
}

/* ln x with about 100 bits: k ln 2 + 2 atanh(s), s = (m - 1) / (m + 1), |s| <= 0.172. */
static struct pair log_pair(double x)
{
    int k;
    double mantissa = split(x, &k);
    struct pair s = pair_divide(pair_sum(mantissa, -1.0), pair_sum(mantissa, 1.0));
    struct pair square = pair_multiply(s, s);
    double tail = 0;
    for (int i = 41; i >= 13; i -= 2)
        tail = (tail * square.high) + 1.0 / i;
    struct pair sum = {tail, 0};
    for (int i = 11; i >= 1; i -= 2)
        sum = pair_add(pair_multiply(sum, square),
                       pair_divide((struct pair){1, 0}, (struct pair){i, 0}));
    struct pair atanh = pair_multiply(sum, s);
    /* ln 2 again, here with 53 + 53 bits. */
    struct pair whole = pair_multiply((struct pair){k, 0},
                                      (struct pair){0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56});
    return pair_add(whole, (struct pair){2 * atanh.high, 2 * atanh.low});
}

double maths_pow(double x, double y)
{
    if (y == 0 || x == 1)
        return 1.0;
    if (x != x || y != y || x < 0)
        return not_a_number;
    if (x == 0)
        return y > 0 ? 0.0 : infinity;
    if (x == infinity)
        return y > 0 ? infinity : 0.0;
    /* Beyond this every power of every double but 1 is 0 or infinite. */
    if (y > 0x1p64 || y < -0x1p64)
        return (y > 0) == (x > 1) ? infinity : 0.0;
    struct pair logarithm = log_pair(x);
    if (y * logarithm.high > 800)
        return infinity;
    if (y * logarithm.high < -800)
        return 0.0;
    struct pair exponent = pair_multiply(logarithm, (struct pair){y, 0});
    return exp_pair(exponent.high, exponent.low);
}

double maths_tanh(double x)
{
    if (x != x)
        return x;
    double size = x < 0 ? -x : x;
    double result;
    if (size > 22) {
        result = 1.0;
    } else if (size > 0.3466) {
        result = 1.0 - 2.0 / (maths_exp(2 * size) + 1.0);
    } else {
        /* exp(2a) - 1 without cancellation needs a <= ln2 / 4; doubled again afterwards. */
        bool is_halved = size > 0.1733;
        double t = exp_small(is_halved ? size : 2 * size, 0.0);
        result = t / (t + 2.0);
        if (is_halved)
            result = 2 * result / (1.0 + result * result);
    }
    return x < 0 ? -result : result;
}

/* sin(x + y) and cos(x + y) for |x| <= pi/4 and a small y. */
static double sin_small(double x, double y)
{
    double z = x * x, v = z * x;
    double r = 8.33333333332248946124e-03 +
               z * (-1.98412698298579493134e-04 +
                    z * (2.75573137070700676789e-06 +
                         z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)));
    return x - ((z * (0.5 * y - v * r) - y) - v * -1.66666666666666324348e-01);
}

static double cos_small(double x, double y)
{
    double z = x * x;
    double r =
        z * (4.16666666666666019037e-02 +
             z * (-1.38888888888741095749e-03 +
                  z * (2.48015872894767294178e-05 +
                       z * (-2.75573143513906633035e-07 +
                            z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
    double half = 0.5 * z, top = 1.0 - half;
    return top + (((1.0 - top) - half) + (z * r - x * y));
}

/* x = quarter * pi/2 + rest, pi/2 in three parts of 33 bits and a tail; |x| <= MATHS_ANGLE_MAX. */
static unsigned reduce(double x, struct pair *ret_rest)
{
    int64_t quarter = (int64_t)(x * 6.36619772367581382433e-01 + (x < 0 ? -0.5 : 0.5));
    double n = (double)quarter;
    double first = x - n * 1.57079632673412561417e+00;
    struct pair rest = pair_sum(first, -n * 6.07710050630396597660e-11);
    struct pair third = pair_product(-n, 2.02226624879595063154e-21);
    *ret_rest = pair_add(rest, third);
    return (unsigned)(quarter & 3);
}

double maths_sin(double x)
{
    if (!(x >= -MATHS_ANGLE_MAX && x <= MATHS_ANGLE_MAX))
        return not_a_number;
    struct pair rest;
    unsigned quarter = reduce(x, &rest);
    double value = quarter & 1 ? cos_small(rest.high, rest.low) : sin_small(rest.high, rest.low);
    return quarter & 2 ? -value : value;
}

double maths_cos(double x)
{
    if (!(x >= -MATHS_ANGLE_MAX && x <= MATHS_ANGLE_MAX))
        return not_a_number;
    struct pair rest;
    unsigned quarter = reduce(x, &rest);
    double value = quarter & 1 ? sin_small(rest.high, rest.low) : cos_small(rest.high, rest.low);
    return ((quarter + 1) & 2) ? -value : value;
}
