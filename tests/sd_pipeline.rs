//! Text to image on shares, from token ids to the image, against plaintext with the same functions and noise.

#[path = "../models/tests/common/mod.rs"]
mod common;

use std::sync::Arc;

use common::asset;
use masque_engine::approx::Approx;
use masque_engine::graph::WeightStore;
use masque_engine::protocol::{Role, RowMaximum};
use masque_engine::testing::World;
use masque_models::sampling::Guidance;
use masque_models::{
    GuidanceWeight, Origin, Place, PlainPipeline, Prompt, Sampler, StableDiffusion, TextJob, TextRequest, Wish,
    secure_text,
};

/// Smallest PSNR, in dB for a peak of 2, of an image on shares against plaintext with the same functions.
const LEAST_PSNR: f64 = 30.0;

fn request(prompts: usize, sampler: Sampler, steps: usize, scale: f64) -> TextRequest {
    let guidance = Guidance { scale, eta: 0.1, weight: GuidanceWeight::Respaced };
    let origins = (0..prompts as u64).map(|image| Origin { seed: 3, image }).collect();
    let (approx, precise) = (Approx::Loose, Approx::Precise);
    let job = TextJob { origins, sampler, steps, guidance, approx, approx_text: precise, approx_vae: precise };
    TextRequest { job, text_encoder: Place::Secure, vae: Place::Secure }
}

/// PSNR of a request's images, with `wanted` prompts and their negative ones.
fn psnr(request: &TextRequest, wanted: &[(&str, &str)]) -> f64 {
    let model = StableDiffusion::open(asset("mini-sd")).unwrap();
    let encode = |text: &str| model.tokenizer.encode(text).unwrap();
    let positive: Vec<Prompt> = wanted.iter().map(|(p, _)| encode(p)).collect();
    let negative: Vec<Prompt> = wanted.iter().map(|(_, n)| encode(n)).collect();
    let (world, job) = (World::new(51), &request.job);
    let plain = PlainPipeline::new(world.gpu(), &model);
    let conditions = plain.encode(&positive, job.approx_text).unwrap();
    let negated = if job.guided() { plain.encode(&negative, job.approx_text).unwrap() } else { vec![] };
    let known = plain.unconditional(job, &encode(""), &mut |_| {}).unwrap();
    let latents = plain.sample(job, &conditions, &negated, Some(&known), &mut |_| ()).unwrap();
    let want = match request.vae {
        Place::Secure => plain.decode(&latents, job.approx_vae).unwrap(),
        Place::Client => latents,
    };
    let taken = if job.guided() { &negative[..] } else { &[] };
    let ids: Vec<u32> = positive.iter().chain(taken).flat_map(|p| p.ids.clone()).collect();
    let context = [conditions, negated].concat();
    let got = world.run_into(|_, ctx| {
        let (role, parts) = (ctx.role, request.parts(&model.config, RowMaximum::Secure).unwrap());
        let weights = |module| -> Option<Arc<dyn WeightStore>> {
            (role == Role::Server).then(|| model.weights(module).clone() as Arc<dyn WeightStore>)
        };
        let mut s = secure_text::start(ctx, parts, weights).unwrap();
        let wish = match request.text_encoder {
            Place::Secure => Wish::Tokens(&ids),
            Place::Client => Wish::Conditions(&context),
        };
        let wish = (role == Role::Client).then_some(&wish);
        let known = (role == Role::Server).then_some(&known[..]);
        Ok(secure_text::generate(&mut s, &model.config, request, wish, known, &mut |_| ()).unwrap())
    });
    let [Some(got), None, None] = got else { panic!("the client alone gets images") };
    assert_eq!(got.len(), want.len());
    let square: f64 = got.iter().zip(&want).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / got.len() as f64;
    10.0 * (4.0 / square).log10()
}

#[test]
fn one_image_with_a_negative_prompt() {
    let found = psnr(&request(1, Sampler::Ddim, 4, 7.5), &[("a photo of a red sneaker", "blue")]);
    println!("DDIM, 4 steps: {found:.1} dB");
    assert!(found >= LEAST_PSNR, "{found}");
}

/// Two images, no classifier-free guidance, noise on the way; encoder and decoder at the client.
#[test]
fn noisy_sampler_between_modules_of_the_client() {
    let mut request = request(2, Sampler::Ddpm, 2, 1.0);
    (request.text_encoder, request.vae) = (Place::Client, Place::Client);
    let found = psnr(&request, &[("a white dress", ""), ("the blue number 4", "")]);
    println!("DDPM, 2 steps: {found:.1} dB");
    assert!(found >= LEAST_PSNR, "{found}");
}
