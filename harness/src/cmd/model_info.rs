//! `harness model-info`: what a model's networks cost, from its configuration alone.

use clap::Args;
use masque_models::Info;

use super::networks::NetworkArgs;
use crate::engine::EngineError;
use crate::error::Result;
use crate::units;

/// Flags of `harness model-info`.
#[derive(Args)]
pub struct ModelInfoArgs {
    /// A model's folder, the folder of one of its modules, or the name of a built-in configuration (sd15)
    #[arg(value_name = "DIR|NAME")]
    pub model: String,
    /// Which networks, and at what size.
    #[command(flatten)]
    pub networks: NetworkArgs,
}

/// Prints a column for each network.
pub fn execute(args: &ModelInfoArgs) -> Result<()> {
    super::print(&table(args)?)
}

/// Operations with a non-linear function, and what they are called here.
const FUNCTIONS: [(&str, &str); 7] = [
    ("softmax elements", "attention"),
    ("SiLU elements", "silu"),
    ("GeLU elements", "gelu"),
    ("quick-GeLU elements", "quick_gelu"),
    ("ReLU elements", "relu"),
    ("GroupNorm elements", "group_norm"),
    ("LayerNorm elements", "layer_norm"),
];

fn table(args: &ModelInfoArgs) -> std::result::Result<String, EngineError> {
    let networks = args.networks.find(&args.model)?;
    let graphs: Vec<_> =
        networks.iter().map(|n| n.config.graph(1, n.extents)).collect::<std::result::Result<_, _>>()?;
    let infos: Vec<Info> = graphs.iter().map(Info::of).collect();
    let row = |name: &str, cell: &dyn Fn(usize) -> String| -> Vec<String> {
        std::iter::once(name.to_owned()).chain((0..networks.len()).map(cell)).collect()
    };
    let shape = |shape: &[usize]| shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
    let mut lines = vec![
        row("one evaluation", &|i| networks[i].config.kind().into()),
        row("result", &|i| shape(&graphs[i].node(graphs[i].output).shape)),
        row("parameters", &|i| units::count(infos[i].parameters)),
        row("multiply-accumulates", &|i| units::count(infos[i].macs)),
    ];
    let known = |op: &str| FUNCTIONS.iter().any(|(_, o)| *o == op);
    let others: Vec<&str> = infos.iter().flat_map(|i| i.nonlinear.keys().copied()).filter(|op| !known(op)).collect();
    let others = others.into_iter().map(|op| (format!("{op} elements"), op));
    for (name, op) in FUNCTIONS.iter().map(|(name, op)| ((*name).to_owned(), *op)).chain(others) {
        if infos.iter().any(|i| i.evaluated(op) > 0) {
            lines.push(row(&name, &|i| units::count(infos[i].evaluated(op))));
        }
    }
    Ok(units::aligned(&lines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd::networks::Size;

    fn table(model: &str) -> std::result::Result<String, EngineError> {
        super::table(&ModelInfoArgs { model: model.into(), networks: NetworkArgs::default() })
    }

    #[test]
    fn other_sizes() {
        let networks = NetworkArgs { module: vec!["unet".into()], latent: Some(Size([32, 32])), tokens: None };
        let text = super::table(&ModelInfoArgs { model: "sd15".into(), networks }).expect("possible");
        // A quarter of the positions: a sixteenth of the self-attention's elements, a quarter of the others.
        assert!(text.contains("1x32x32x4") && text.contains("859,520,964") && !text.contains("123,060,480"), "{text}");
        let networks = NetworkArgs { latent: Some(Size([30, 30])), ..NetworkArgs::default() };
        let text = super::table(&ModelInfoArgs { model: "sd15".into(), networks }).expect_err("not halved thrice");
        assert!(text.to_string().contains("multiples of 8"), "{text}");
    }

    #[test]
    fn the_published_model() {
        let text = table("sd15").expect("a built-in configuration");
        let cells = |name: &str| -> Vec<String> {
            let line = text.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("no {name} in\n{text}"));
            line[name.len()..].split_whitespace().map(Into::into).collect()
        };
        // The network's from Stable Diffusion's own description; all three as torch counts them (assets/fixtures/counts.json).
        assert_eq!(cells("parameters"), ["123,060,480", "859,520,964", "49,490,199"]);
        let macs = &cells("multiply-accumulates")[1];
        assert!(macs.starts_with("401,6"), "{macs}");
        assert_eq!(cells("softmax elements")[1], "732,283,392");
        assert!(cells("result").ends_with(&["1x512x512x3".to_owned()]));
    }

    #[test]
    fn folders_of_every_kind() {
        let asset = |name: &str| format!("{}/../assets/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = table(&asset("mini-sd")).expect("a pipeline");
        assert!(text.contains("803,204") && text.contains("63,488"), "{text}");
        let text = table(&asset("binary-mnist")).expect("a class-conditional model");
        // Torch counts 640 more: it repeats the embedding's function in every residual block.
        assert!(text.contains("686,961") && text.contains("210,240"), "{text}");
        let text = table(&asset("fixtures/tiny-text")).expect("a module");
        assert!(text.contains("text encoder"), "{text}");
    }

    #[test]
    fn what_is_no_model() {
        let text = table("sd9").expect_err("neither folder nor name").to_string();
        assert!(text.contains("sd9") && text.contains("known: sd15"), "{text}");
        let text = table(env!("CARGO_MANIFEST_DIR")).expect_err("no model").to_string();
        assert!(text.contains("model_index.json"), "{text}");
    }
}
