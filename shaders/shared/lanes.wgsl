// What the numbers of one F have in common. LANES is how many they are.
#ifdef QUAD
const LANES: u32 = 4u;
fn first(v: F) -> f32 { return v.x; }
fn most(v: F) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
fn total(v: F) -> f32 { return (v.x + v.y) + (v.z + v.w); }
#else
const LANES: u32 = 1u;
fn first(v: F) -> f32 { return v; }
fn most(v: F) -> f32 { return v; }
fn total(v: F) -> f32 { return v; }
#endif
