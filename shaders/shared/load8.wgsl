// Elements 8 g to 8 g + 7 of buffer $ (array<V>, padded to whole groups), as wide loads.
#import ring
#import wide
fn load8_$(g: u32) -> array<R, 8> {
#ifdef NATIVE
    let q0 = $[2u * g];
    let q1 = $[2u * g + 1u];
    return array<R, 8>(q0.x, q0.y, q0.z, q0.w, q1.x, q1.y, q1.z, q1.w);
#else
    let q0 = $[4u * g];
    let q1 = $[4u * g + 1u];
    let q2 = $[4u * g + 2u];
    let q3 = $[4u * g + 3u];
    return array<R, 8>(q0.xy, q0.zw, q1.xy, q1.zw, q2.xy, q2.zw, q3.xy, q3.zw);
#endif
}
