//! The flags that choose networks of a model and the size of what they compute.

use std::path::Path;
use std::str::FromStr;

use clap::Args;
use masque_models::Network;

use crate::bench::modules::Source;
use crate::engine::EngineError;

/// Flags, as typed.
#[derive(Args, Clone, Debug, Default)]
pub struct NetworkArgs {
    /// Only these modules, by the names of their folders: text_encoder, unet, vae [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub module: Vec<String>,
    /// Height and width of the latent, or of the image where the model has none [default: what it was trained for]
    #[arg(long, value_name = "N|HxW", visible_alias = "size")]
    pub latent: Option<Size>,
    /// Tokens of the prompt [default: as many as the text encoder reads]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub tokens: Option<u16>,
}

/// Height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub [usize; 2]);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |t: &str| t.parse().ok().filter(|n| (1..=4096).contains(n));
        let both = match text.split_once('x') {
            Some((h, w)) => number(h).zip(number(w)),
            None => number(text).map(|n| (n, n)),
        };
        both.map(|(h, w)| Self([h, w])).ok_or_else(|| "expected N or HxW of 1 to 4096, for example 64 or 64x96".into())
    }
}

impl NetworkArgs {
    /// The networks of a model that are meant, at the size that is meant.
    pub fn choose(&self, source: &Source<'_>) -> Result<Vec<Network>, EngineError> {
        let mut networks = source.networks()?;
        for name in &self.module {
            if !networks.iter().any(|n| n.name == name) {
                let names: Vec<&str> = networks.iter().map(|n| n.name).filter(|n| !n.is_empty()).collect();
                let known = if names.is_empty() { "the folder is one module itself".into() } else { names.join(", ") };
                return Err(format!("--module {name}: the model has no such module; there are: {known}").into());
            }
        }
        networks.retain(|n| self.module.is_empty() || self.module.iter().any(|name| n.name == name));
        for network in &mut networks {
            network.extents.sample = self.latent.map(|size| size.0).or(network.extents.sample);
            network.extents.tokens = self.tokens.map(usize::from).or(network.extents.tokens);
        }
        Ok(networks)
    }

    /// As [`NetworkArgs::choose`], of a folder or a name.
    pub fn find(&self, model: &str) -> Result<Vec<Network>, EngineError> {
        self.choose(&Source::find(Path::new(model))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(["64", "8x24"].map(|t| t.parse()), [Ok(Size([64, 64])), Ok(Size([8, 24]))]);
        for bad in ["", "0", "x", "8x", "x8", "8x0", "8x8x8", "-8", "5000", "8X8"] {
            assert!(bad.parse::<Size>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn modules_and_their_sizes() {
        let args =
            NetworkArgs { module: vec!["vae".into(), "unet".into()], latent: Some(Size([16, 24])), tokens: Some(7) };
        let networks = args.find("sd15").expect("a built-in configuration");
        assert_eq!(networks.iter().map(|n| n.name).collect::<Vec<_>>(), ["unet", "vae"]);
        let [unet, vae] = [0, 1].map(|i| networks[i].config.graph(1, networks[i].extents).expect("possible"));
        let shape = |g: &masque_engine::graph::Graph| g.node(g.output).shape.clone();
        assert_eq!((shape(&unet), shape(&vae)), (vec![1, 16, 24, 4], vec![1, 128, 192, 3]));
        let wrong = NetworkArgs { module: vec!["vea".into()], ..NetworkArgs::default() };
        let text = wrong.find("sd15").expect_err("no such module").to_string();
        assert!(text.contains("--module vea") && text.contains("text_encoder, unet, vae"), "{text}");
    }
}
