/* maths.h: exp, log, pow, tanh by fixed rules: the same bits on every machine, unlike libm. Errors
 * below 4 ulp. Built with -ffp-contract=off. sqrt is exact in IEEE 754 and comes from the compiler.
 */
#ifndef BASE_MATHS_H
#define BASE_MATHS_H

double maths_exp(double x);
double maths_log(double x);
double maths_pow(double x, double y); /* x > 0 */
double maths_tanh(double x);
double maths_sin(double x);
double maths_cos(double x);

#endif
