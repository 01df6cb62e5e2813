// Writes elements 8 g to 8 g + 7 of buffer $ (array<V>, padded to whole groups) as wide stores.
#import ring
#import wide
fn store8_$(g: u32, v: array<R, 8>) {
#ifdef NATIVE
    $[2u * g] = V(v[0], v[1], v[2], v[3]);
    $[2u * g + 1u] = V(v[4], v[5], v[6], v[7]);
#else
    $[4u * g] = V(v[0], v[1]);
    $[4u * g + 1u] = V(v[2], v[3]);
    $[4u * g + 2u] = V(v[4], v[5]);
    $[4u * g + 3u] = V(v[6], v[7]);
#endif
}
