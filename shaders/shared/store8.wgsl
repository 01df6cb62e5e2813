// Writes elements 8 g to 8 g + 7 of buffer $ (array<V>, padded to whole groups) as wide stores.
#import ring
#import wide
#import whole
fn store8_$(g: u32, v: array<R, 8>) {
    let none = beyond(g);
    let w = array<R, 8>(r_whole(v[0], none), r_whole(v[1], none), r_whole(v[2], none), r_whole(v[3], none),
        r_whole(v[4], none), r_whole(v[5], none), r_whole(v[6], none), r_whole(v[7], none));
#ifdef NATIVE
    $[2u * g] = V(w[0], w[1], w[2], w[3]);
    $[2u * g + 1u] = V(w[4], w[5], w[6], w[7]);
#else
    $[4u * g] = V(w[0], w[1]);
    $[4u * g + 1u] = V(w[2], w[3]);
    $[4u * g + 2u] = V(w[4], w[5]);
    $[4u * g + 3u] = V(w[6], w[7]);
#endif
}
