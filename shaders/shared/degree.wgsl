// Degree of the polynomials a kernel is compiled for, and their Taylor coefficients at u in place of those at 0, by Horner's
// scheme. Written out: loops whose bounds depend on each other stay loops, and arrays in memory, on software adapters.
#import ring
#ifdef D1
const DEGREE: u32 = 1u;
const HIGHER: u32 = 0u;
#endif
#ifdef D2
const DEGREE: u32 = 2u;
const HIGHER: u32 = 1u;
#endif
#ifdef D3
const DEGREE: u32 = 3u;
const HIGHER: u32 = 2u;
#endif
#ifdef D4
const DEGREE: u32 = 4u;
const HIGHER: u32 = 3u;
#endif
alias Coefficients = array<R, DEGREE + 1u>;

fn taylor(a: Coefficients, u: R) -> Coefficients {
    var c = a;
#ifdef D4
    c[3] = r_mac(c[3], u, c[4]);
    c[2] = r_mac(c[2], u, c[3]);
    c[1] = r_mac(c[1], u, c[2]);
    c[0] = r_mac(c[0], u, c[1]);
    c[3] = r_mac(c[3], u, c[4]);
    c[2] = r_mac(c[2], u, c[3]);
    c[1] = r_mac(c[1], u, c[2]);
    c[3] = r_mac(c[3], u, c[4]);
    c[2] = r_mac(c[2], u, c[3]);
    c[3] = r_mac(c[3], u, c[4]);
#endif
#ifdef D3
    c[2] = r_mac(c[2], u, c[3]);
    c[1] = r_mac(c[1], u, c[2]);
    c[0] = r_mac(c[0], u, c[1]);
    c[2] = r_mac(c[2], u, c[3]);
    c[1] = r_mac(c[1], u, c[2]);
    c[2] = r_mac(c[2], u, c[3]);
#endif
#ifdef D2
    c[1] = r_mac(c[1], u, c[2]);
    c[0] = r_mac(c[0], u, c[1]);
    c[1] = r_mac(c[1], u, c[2]);
#endif
#ifdef D1
    c[0] = r_mac(c[0], u, c[1]);
#endif
    return c;
}
