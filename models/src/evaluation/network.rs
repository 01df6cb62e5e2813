//! A network on several devices at once: each computes some of the samples.

use std::sync::Arc;

use masque_engine::exec::{ExecError, Plain};
use masque_engine::functions::Functions;
use masque_engine::gpu::Gpu;
use masque_engine::graph::{Graph, WeightStore};

use crate::ModelError;

/// One network for a number of samples, cut into as many parts as there are devices. A sample's result does not depend on
/// the device that computes it, nor on what else is computed there.
pub(super) struct Network {
    /// Executors with the number of samples of each.
    parts: Vec<(Plain, usize)>,
}

impl Network {
    /// For `n` samples; `graph` builds the network for some of them. Every device keeps all weights.
    pub fn new(
        gpus: &[Arc<Gpu>],
        n: usize,
        graph: impl Fn(usize) -> Result<Graph, ModelError>,
        weights: &Arc<dyn WeightStore>,
        functions: &Functions,
    ) -> Result<Self, ModelError> {
        let part = n.div_ceil(gpus.len().max(1)).max(1);
        let sizes = (0..n.max(1)).step_by(part).map(|first| part.min(n - first));
        let open = |(gpu, size): (&Arc<Gpu>, usize)| {
            let plain = Plain::new(gpu.clone(), Arc::new(graph(size)?), weights.clone(), functions.clone());
            Ok((plain, size))
        };
        Ok(Self { parts: gpus.iter().zip(sizes).map(open).collect::<Result<_, ModelError>>()? })
    }

    /// The results of all samples, one after the other. Each input has equally long rows, one for each sample.
    pub fn run(&mut self, inputs: &[(&str, &[f32])]) -> Result<Vec<f32>, ExecError> {
        if let [(plain, _)] = self.parts.as_mut_slice() {
            return plain.run(inputs);
        }
        let all: usize = self.parts.iter().map(|(_, size)| size).sum();
        let mut first = 0;
        std::thread::scope(|scope| {
            let mut running = Vec::new();
            for (plain, size) in &mut self.parts {
                let rows = first..first + *size;
                first = rows.end;
                let cut = |x: &'_ [f32]| rows.start * (x.len() / all)..rows.end * (x.len() / all);
                let own: Vec<(&str, &[f32])> = inputs.iter().map(|(name, x)| (*name, &x[cut(x)])).collect();
                running.push(scope.spawn(move || plain.run(&own)));
            }
            let mut results = Vec::new();
            for part in running {
                results.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(results)
        })
    }
}

#[cfg(test)]
mod tests {
    use masque_engine::gpu::AdapterChoice;

    use super::*;
    use crate::evaluation::{Method, Settings, Subject};
    use crate::{Origin, Sampler};

    /// Parts of unequal size, among them none: the samples are the same, bit for bit.
    #[test]
    fn samples_do_not_depend_on_the_number_of_devices() {
        let model = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/cipherdm");
        let gpu = || Gpu::open(&AdapterChoice::default()).expect("an adapter");
        let functions = Functions::default();
        let settings = Settings {
            sampler: Sampler::Ddim,
            steps: 1,
            scale: 3.0,
            functions: functions.clone(),
            method: Method::Plain,
        };
        let draw = |devices: usize, images: usize| {
            let subject = Subject::open((0..devices).map(|_| gpu()).collect(), &model).expect("opens");
            let none = subject.unconditional(&functions).expect("a condition");
            let origins: Vec<Origin> = (0..images as u64).map(|image| Origin { seed: 3, image }).collect();
            let wishes: Vec<_> = (0..images).map(crate::evaluation::Wish::Class).collect();
            let conditions = subject.conditions(&wishes, &functions).expect("conditions");
            subject.sample(&origins, &conditions, &none, &settings, None, None, &mut || ()).expect("samples")
        };
        let three = draw(1, 3);
        assert!(three.iter().any(|x| *x != three[0]));
        assert_eq!(three, draw(2, 3));
        assert_eq!(three, draw(4, 3));
        assert_eq!(draw(1, 1), draw(4, 1));
    }
}
