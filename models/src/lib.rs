//! Diffusion models in the layout of diffusers: configurations, weights, samplers, and the graphs they become.
//!
//! A model here is a folder as diffusers writes it. [`ClassModel::open`] and [`StableDiffusion::open`] read and check one;
//! [`ClassModel::graph`] and [`StableDiffusionConfig`] turn networks into engine graphs, [`Schedule`] a configuration into the
//! steps of a sampler. Graphs know nothing of shares, GPUs or peers; the loops in [`sampling`], [`text_to_image`] and
//! [`secure_text`] run them, [`evaluation`] does for experiments.

mod blocks;
mod class_model;
pub mod classifier;
pub mod clip;
pub mod clip_text;
pub mod config;
mod error;
pub mod evaluation;
pub mod forward;
mod guidance;
pub mod inception;
pub mod info;
mod module;
mod noise;
mod one_hot;
pub mod presets;
pub mod sampling;
mod schedule;
pub mod secure_text;
mod stable_diffusion;
mod tap;
pub mod tensors;
pub mod text_to_image;
mod tokenizer;
pub mod unet2d;
pub mod unet2d_condition;
pub mod vae_decoder;
pub mod weight_rule;
mod weights;
mod whole;

pub use class_model::ClassModel;
pub use classifier::Classifier;
pub use config::{ClipTextConfig, SchedulerConfig, UNet2dConditionConfig, UNet2dConfig, VaeConfig};
pub use error::ModelError;
pub use forward::Forward;
pub use guidance::GuidanceWeight;
pub use inception::Inception;
pub use info::Info;
pub use module::{Extents, ModuleConfig, Network, networks};
pub use noise::{initial_noise, step_noise};
pub use schedule::{Clip, Rule, Sampler, Schedule, Step, Update, ddim_step};
pub use secure_text::{Part, Place, TextRequest, Wish};
pub use stable_diffusion::{Module, StableDiffusion, StableDiffusionConfig};
pub use tap::tap;
pub use tensors::TensorFile;
pub use text_to_image::{Origin, PlainPipeline, TextJob};
pub use tokenizer::{Prompt, Tokenizer};
pub use weights::Checkpoint;
