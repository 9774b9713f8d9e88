/* maths.h: exp, log, pow, tanh by fixed rules: the same bits on every machine, unlike libm. Errors
 * below 4 ulp. Built with -ffp-contract=off. sqrt is exact in IEEE 754 and comes from the compiler.
 */
#ifndef BASE_MATHS_H
#define BASE_MATHS_H

double maths_exp(double x);
double maths_log(double x);
double maths_pow(double x, double y); /* x >= 0; not a number below */
double maths_tanh(double x);

/* Radians, |x| <= MATHS_ANGLE_MAX; not a number beyond (the reduction would lose its bits). */
#define MATHS_ANGLE_MAX 0x1p20
double maths_sin(double x);
double maths_cos(double x);

#endif
