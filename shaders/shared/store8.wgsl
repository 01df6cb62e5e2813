// Writes elements 8 g to 8 g + 7 of buffer $ (array<V>), those below n only, as wide stores where all are.
#import ring
#import wide
fn store8_$(g: u32, v: array<R, 8>, n: u32) {
    var kept = v;
    if (8u * g + 8u <= n) {
#ifdef NATIVE
        $[2u * g] = V(kept[0], kept[1], kept[2], kept[3]);
        $[2u * g + 1u] = V(kept[4], kept[5], kept[6], kept[7]);
#else
        $[4u * g] = V(kept[0], kept[1]);
        $[4u * g + 1u] = V(kept[2], kept[3]);
        $[4u * g + 2u] = V(kept[4], kept[5]);
        $[4u * g + 3u] = V(kept[6], kept[7]);
#endif
        return;
    }
    for (var i = 0u; i < 8u; i++) {
        let at = 8u * g + i;
        if (at < n) {
#ifdef NATIVE
            $[at >> 2u][at & 3u] = kept[i];
#else
            $[at >> 1u][2u * (at & 1u)] = kept[i].x;
            $[at >> 1u][2u * (at & 1u) + 1u] = kept[i].y;
#endif
        }
    }
}
