//! Finding a module's output in a graph.

use masque_engine::graph::Graph;

use crate::unet2d::TIME_FEATURES;

/// What recordings of modules call the second use of a residual block's non-linearity where time enters.
pub(crate) const REPEATED: &str = ".nonlinearity#2";

/// Position in [`Graph::nodes`] of the node whose value the module of that path returns in diffusers or transformers: the
/// node of that name, or the last one inside of the module, as `down_blocks.0.downsamplers.0.conv` for `down_blocks.0`.
pub fn tap(graph: &Graph, path: &str) -> Option<usize> {
    let last = |test: &dyn Fn(&str) -> bool| graph.nodes.iter().rposition(|node| test(&node.name));
    if path == "time_proj" {
        return last(&|name| name == TIME_FEATURES);
    }
    if let Some(i) = last(&|name| name == path) {
        return Some(i);
    }
    if path.ends_with(REPEATED) {
        return last(&|name| name.ends_with(REPEATED));
    }
    last(&|name| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}
