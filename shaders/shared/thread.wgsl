// Flat index of a thread. Dispatches wider than 32768 workgroups of 64 continue in y.
fn thread(gid: vec3<u32>) -> u32 {
    return gid.y * 2097152u + gid.x;
}
