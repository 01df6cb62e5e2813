//! Diffusion models in the layout of diffusers: configurations, weights, samplers, and the graphs they become.
//!
//! A model here is a folder as diffusers writes it. [`ClassModel::open`] reads and checks a class-conditional one;
//! [`ClassModel::graph`] turns its network into an engine graph, [`Schedule`] into the steps of a sampler, and [`sampling`]
//! walks them in plaintext or on shares. The networks of Stable Diffusion are graphs too: [`clip_text`] and its neighbours.
//!
//! A model names operations, never a protocol: how something is computed on shares is the engine's business, and so are
//! devices and peers.

mod blocks;
mod class_model;
pub mod classifier;
pub mod clip_text;
pub mod config;
mod error;
mod guidance;
pub mod info;
mod noise;
pub mod presets;
pub mod sampling;
mod schedule;
mod stable_diffusion;
mod tap;
pub mod text_to_image;
mod tokenizer;
pub mod unet2d;
pub mod unet2d_condition;
pub mod vae_decoder;
pub mod weight_rule;
mod weights;

pub use class_model::ClassModel;
pub use classifier::Classifier;
pub use config::{ClipTextConfig, SchedulerConfig, UNet2dConditionConfig, UNet2dConfig, VaeConfig};
pub use error::ModelError;
pub use guidance::GuidanceWeight;
pub use info::Info;
pub use noise::{initial_noise, step_noise};
pub use schedule::{Clip, Rule, Sampler, Schedule, Step, Update, ddim_step};
pub use stable_diffusion::{StableDiffusion, StableDiffusionConfig};
pub use tap::tap;
pub use text_to_image::{Origin, PlainPipeline, TextJob};
pub use tokenizer::{Prompt, Tokenizer};
pub use weights::Checkpoint;
