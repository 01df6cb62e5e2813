// Four f32 in memory and in registers.
#import quad
#ifdef NATIVE
fn e4_load(v: Q) -> vec4<f32> {
    let low = bitcast<vec2<f32>>(vec2<u32>(v));
    let high = bitcast<vec2<f32>>(vec2<u32>(v >> vec2<u32>(32u)));
    return vec4<f32>(low.x, high.x, low.y, high.y);
}
fn e4_store(v: vec4<f32>) -> Q {
    let u = bitcast<vec4<u32>>(v);
    return vec2<u64>(u.xz) | (vec2<u64>(u.yw) << vec2<u32>(32u));
}
#else
fn e4_load(v: Q) -> vec4<f32> { return bitcast<vec4<f32>>(v); }
fn e4_store(v: vec4<f32>) -> Q { return bitcast<vec4<u32>>(v); }
#endif
