//! Peers, devices, weights and folders that are not what they should be: one clear error, no hang, nothing that looks
//! finished.

mod common;

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use common::{Place, asset};

/// A short job of the model `tiny`.
const JOB: [&str; 10] = ["run", "--quiet", "--model", "tiny", "--no-fidelity", "--steps", "1", "--count", "1", "--out"];

/// What a peer does that is no role of ours.
#[derive(Clone, Copy, Debug)]
enum Peer {
    Closes,
    SendsGarbage,
    SendsGarbageInAFrame,
    Stalls,
}

impl Peer {
    /// All of them, with what the error says; `garbage` is how a frame is refused that holds garbage.
    fn all(garbage: &str) -> [(Peer, &str); 4] {
        [
            (Peer::Closes, "closed the connection"),
            (Peer::SendsGarbage, "where a frame should start"),
            (Peer::SendsGarbageInAFrame, garbage),
            (Peer::Stalls, "nothing arrived"),
        ]
    }

    /// Does it; the connection is closed when the result is dropped.
    fn act(self, mut stream: TcpStream, purpose: u16) -> Option<TcpStream> {
        let send = |stream: &mut TcpStream, bytes: &[u8]| stream.write_all(bytes).expect("writable");
        match self {
            Peer::Closes => return None,
            Peer::SendsGarbage => send(&mut stream, b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
            Peer::SendsGarbageInAFrame => {
                let (eval, node, tile, length) = (u32::MAX.to_le_bytes(), [0; 4], [0; 2], 7u64.to_le_bytes());
                send(
                    &mut stream,
                    &[b"MSQ1", &eval[..], &node, &tile, &purpose.to_le_bytes(), &length, b"garbage"].concat(),
                );
            }
            Peer::Stalls => {}
        }
        Some(stream)
    }
}

/// Nothing that looks like the result of a job.
fn nothing_finished(place: &Place, out: &str) {
    let left = place.results(out);
    assert!(left.is_empty(), "{left:?} were left behind");
}

/// A job in one process that fails.
fn job_fails(place: &Place, names: &[&str]) {
    place.start(&[&JOB[..], &["out"]].concat()).fails(names);
    nothing_finished(place, "out");
}

#[test]
fn a_server_that_is_none() {
    let place = Place::new();
    for (peer, says) in Peer::all("sent no readable answer") {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let at = listener.local_addr().expect("bound").to_string();
        let flags = ["out", "--connect", &at, "--dealer", &at, "--stall", "2"];
        let client = place.start(&[&JOB[..], &flags].concat());
        let _open = peer.act(listener.accept().expect("the client comes").0, 3);
        client.fails(&["server", says]);
        nothing_finished(&place, "out");
    }
}

#[test]
fn a_client_that_is_none() {
    let place = Place::new();
    for (peer, says) in Peer::all("sent no readable job") {
        let (server, at) = place.listen(&["serve", "--model", "tiny", "--dealer", "127.0.0.1:1", "--stall", "2"]);
        let _open = peer.act(TcpStream::connect(&at).expect("it listens"), 1);
        server.fails(&["client", says]);
    }
}

#[test]
fn parties_that_are_none() {
    let place = Place::new();
    for (peer, says) in Peer::all("neither client nor server") {
        let (dealer, at) = place.listen(&["dealer", "--stall", "2"]);
        let _open = peer.act(TcpStream::connect(&at).expect("it listens"), 0);
        dealer.fails(&["client", "server", says]);
    }
}

#[test]
fn a_dealer_whose_second_party_stays_away() {
    let place = Place::new();
    let (dealer, at) = place.listen(&["dealer", "--stall", "2"]);
    let mut stream = TcpStream::connect(&at).expect("it listens");
    let (eval, length) = (u32::MAX.to_le_bytes(), 1u64.to_le_bytes());
    let client = [b"MSQ1", &eval[..], &[0; 8], &length, &[0]].concat();
    stream.write_all(&client).expect("writable");
    dealer.fails(&["client or server did not connect"]);
}

#[test]
fn a_server_that_dies_on_the_way() {
    let place = Place::new();
    let (_dealer, dealer_at) = place.listen(&["dealer"]);
    let (mut server, at) = place.listen(&["serve", "--model", "tiny", "--dealer", &dealer_at]);
    // A later --steps would be refused: the job is spelt out.
    let job = ["run", "--quiet", "--model", "tiny", "--steps", "1000", "--out", "out"];
    let client = place.start(&[&job[..], &["--connect", &at, "--dealer", &dealer_at, "--stall", "20"]].concat());
    thread::sleep(Duration::from_secs(2));
    server.kill();
    client.fails(&["server"]);
    nothing_finished(&place, "out");
}

#[test]
fn no_dealer() {
    let place = Place::new();
    let nobody = "127.0.0.1:1";
    let (server, at) = place.listen(&["serve", "--model", "tiny", "--dealer", nobody, "--stall", "2"]);
    let flags = ["out", "--connect", &at, "--dealer", nobody, "--stall", "2"];
    place.start(&[&JOB[..], &flags].concat()).fails(&["cannot connect to dealer at 127.0.0.1:1"]);
    server.fails(&["cannot connect to dealer at 127.0.0.1:1"]);
    nothing_finished(&place, "out");
}

#[test]
fn a_server_with_another_model() {
    let place = Place::new();
    let other = asset("binary-mnist");
    let other = other.to_str().expect("a plain path");
    let (_dealer, dealer_at) = place.listen(&["dealer"]);
    let (server, at) = place.listen(&["serve", "--model", other, "--dealer", &dealer_at]);
    let flags = ["out", "--connect", &at, "--dealer", &dealer_at];
    place.start(&[&JOB[..], &flags].concat()).fails(&["the server has another model", "unet/config.json"]);
    server.fails(&["the client asks for another model"]);
    nothing_finished(&place, "out");
}

#[test]
fn roles_that_show_more_than_the_others_agree_to() {
    let place = Place::new();
    let revealed = ["--max", "revealed"];
    // The server does not agree.
    let (_dealer, dealer_at) = place.listen(&[&["dealer"][..], &revealed].concat());
    let (server, at) = place.listen(&["serve", "--model", "tiny", "--dealer", &dealer_at]);
    let flags = ["out", "--connect", &at, "--dealer", &dealer_at];
    let client = place.start(&[&JOB[..], &flags, &revealed].concat());
    client.fails(&["the server takes no part in sessions with --max revealed"]);
    server.fails(&["this server takes no part in sessions with --max revealed"]);
    // The dealer does not.
    let (dealer, dealer_at) = place.listen(&["dealer"]);
    let (server, at) = place.listen(&[&["serve", "--model", "tiny", "--dealer", &dealer_at][..], &revealed].concat());
    let flags = ["out", "--connect", &at, "--dealer", &dealer_at];
    place.start(&[&JOB[..], &flags, &revealed].concat()).fails(&["setting max is revealed here but secure at dealer"]);
    server.fails(&["setting max is revealed here but secure at dealer"]);
    dealer.fails(&["setting max is secure here but revealed at"]);
    nothing_finished(&place, "out");
}

#[test]
fn no_adapter() {
    let place = Place::new();
    for mode in ["secure", "plain"] {
        let args = [&JOB[..], &["out", "--mode", mode]].concat();
        place.start(&[&args[..], &["--adapter", "nonesuch"]].concat()).fails(&["no adapter matches `nonesuch`"]);
        if cfg!(target_os = "linux") {
            let none = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].map(|name| (name, "/nonexistent"));
            place.start_with(&args, &none).fails(&["no GPU adapter found"]);
        }
        nothing_finished(&place, "out");
    }
}

#[test]
fn weights_that_cannot_be_used() {
    let put = |value: f32| {
        move |header: &mut serde_json::Value, data: &mut Vec<u8>| {
            let at = header["conv_in.weight"]["data_offsets"][0].as_u64().expect("an offset") as usize;
            data[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
    };
    let place = Place::new();
    place.spoil(put(f32::NAN));
    job_fails(&place, &["tensor conv_in.weight holds NaN"]);
    place.spoil(put(0.5));
    place.spoil(|header, _| header["conv_in.weight"]["shape"] = serde_json::json!([1, 16, 3, 3]));
    job_fails(&place, &["tensor conv_in.weight has shape [1, 16, 3, 3], expected [16, 1, 3, 3]"]);
    place.spoil(|header, _| header["conv_in.weight"]["shape"] = serde_json::json!([16, 1, 3, 3]));
    place.spoil(|_, data| data.truncate(data.len() / 2));
    job_fails(&place, &["diffusion_pytorch_model.safetensors: truncated"]);
    fs::remove_file(place.path("tiny/unet/diffusion_pytorch_model.safetensors")).expect("there");
    job_fails(&place, &["diffusion_pytorch_model.safetensors: "]);

    let place = Place::new();
    place.spoil(put(1e20));
    job_fails(&place, &["weight conv_in.weight holds 100000000000000000000", "fixed point"]);
    // In processes of their own the other two learn that the server has gone.
    let (dealer, dealer_at) = place.listen(&["dealer"]);
    let (server, at) = place.listen(&["serve", "--model", "tiny", "--dealer", &dealer_at]);
    place.start(&[&JOB[..], &["out", "--connect", &at, "--dealer", &dealer_at]].concat()).fails(&["server closed"]);
    server.fails(&["weight conv_in.weight holds 100000000000000000000"]);
    dealer.fails(&["server closed the connection"]);
    nothing_finished(&place, "out");

    // A weight that fits, and gives values that don't: without a check, they would wrap around and spoil the image.
    let place = Place::new();
    place.spoil(put(3e3));
    job_fails(&place, &["the fixed-point plan holds less than", "plaintext only"]);
    place.start(&[&JOB[..], &["out", "--mode", "plain"]].concat()).succeeds();
}

#[test]
fn a_model_with_large_values_runs_with_ranges_to_match() {
    let place = Place::new();
    place.spoil(|header, data| {
        let [from, to] = [0, 1].map(|i| header["conv_in.weight"]["data_offsets"][i].as_u64().expect("offset") as usize);
        for weight in data[from..to].as_chunks_mut().0 {
            *weight = (40.0 * f32::from_le_bytes(*weight)).to_le_bytes();
        }
    });
    job_fails(&place, &["the variance of a group reaches", "`fixed_point`"]);
    let config = place.path("tiny/unet/config.json");
    let mut fields: serde_json::Value = serde_json::from_slice(&fs::read(&config).expect("there")).expect("JSON");
    fields["fixed_point"] = serde_json::json!({ "variance": [-4, 17] });
    fs::write(&config, fields.to_string()).expect("temporary file");
    place.start(&["run", "--quiet", "--model", "tiny", "--steps", "2", "--count", "1", "--out", "out"]).succeeds();
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(place.path("out/report.json")).expect("a report")).expect("JSON");
    let psnr = report["fidelity"]["psnr_db"].as_f64().expect("a number");
    assert!(psnr > 30.0, "{psnr} dB");

    fields["fixed_point"] = serde_json::json!({ "variance": [17, -4] });
    fs::write(&config, fields.to_string()).expect("temporary file");
    job_fails(&place, &["unet/config.json", "fixed_point", "two ascending numbers"]);
}

#[test]
fn a_job_cut_short_takes_the_earlier_results_along() {
    let place = Place::new();
    place.start(&[&JOB[..], &["out", "--mode", "plain"]].concat()).succeeds();
    assert!(place.results("out").contains(&"report.json".to_owned()));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let at = listener.local_addr().expect("bound").to_string();
    let mut client = place.start(&[&JOB[..], &["out", "--connect", &at, "--dealer", &at]].concat());
    let _open = listener.accept().expect("the client comes");
    thread::sleep(Duration::from_millis(50));
    client.kill();
    nothing_finished(&place, "out");
}

/// A short job of the text-to-image model `words`.
const WORDS: [&str; 10] =
    ["run", "--quiet", "--model", "words", "--steps", "1", "--prompt", "my diary", "--out", "out"];

/// A job of `words` with further flags that fails.
fn words_fail(place: &Place, flags: &[&str], names: &[&str]) {
    place.start(&[&WORDS[..], flags].concat()).fails(names);
    nothing_finished(place, "out");
}

#[test]
fn text_to_image_models_that_cannot_be_used() {
    let plain = ["--mode", "plain"];
    let place = Place::new().with_words();
    for (file, weights) in [("vae", "diffusion_pytorch_model"), ("text_encoder", "model")] {
        let (file, away) = (format!("words/{file}/{weights}.safetensors"), place.path("away"));
        fs::rename(place.path(&file), &away).expect("there");
        words_fail(&place, &plain, &[&file]);
        fs::rename(&away, place.path(&file)).expect("there");
    }
    let bad: [(&str, &str, serde_json::Value); 5] = [
        ("scheduler/scheduler_config.json", "prediction_type", "sample".into()),
        ("unet/config.json", "cross_attention_dim", 65.into()),
        ("vae/config.json", "act_fn", "tanh".into()),
        ("text_encoder/config.json", "vocab_size", 17.into()),
        ("model_index.json", "text_encoder", serde_json::json!(["transformers", "T5EncoderModel"])),
    ];
    for (file, field, value) in bad {
        let file = format!("words/{file}");
        let good = fs::read(place.path(&file)).expect("there");
        place.edit(&file, |json| json[field] = value);
        let named = if field == "vocab_size" { "token_embedding.weight has shape [49408, 64]" } else { field };
        words_fail(&place, &plain, &["words", named]);
        fs::write(place.path(&file), good).expect("writable");
    }
    fs::remove_file(place.path("words/tokenizer/merges.txt")).expect("there");
    words_fail(&place, &plain, &["merges.txt"]);
}

#[test]
fn a_client_needs_the_weights_of_what_it_runs_itself() {
    let place = Place::new().with_words();
    for network in ["unet", "vae"] {
        fs::remove_file(place.path(&format!("words/{network}/diffusion_pytorch_model.safetensors"))).expect("there");
    }
    let nobody = ["--connect", "127.0.0.1:1", "--dealer", "127.0.0.1:1", "--stall", "2"];
    words_fail(&place, &nobody, &["cannot connect to server"]);
    words_fail(&place, &[&nobody[..], &["--text-encoder", "client"]].concat(), &["cannot connect to server"]);
    words_fail(&place, &[&nobody[..], &["--vae", "client"]].concat(), &["vae/diffusion_pytorch_model.safetensors"]);
}

/// Every network is looked at, not only the one that takes most of the time.
#[test]
fn a_decoder_beyond_the_plan() {
    let place = Place::new().with_words();
    place.edit("words/vae/config.json", |json| json["scaling_factor"] = 0.0005.into());
    words_fail(&place, &["--no-fidelity"], &["decoder.mid_block", "the fixed-point plan holds less than"]);
}

#[test]
fn a_server_of_another_kind() {
    let place = Place::new().with_words();
    let (_dealer, dealer_at) = place.listen(&["dealer"]);
    let (server, at) = place.listen(&["serve", "--model", "tiny", "--dealer", &dealer_at]);
    words_fail(
        &place,
        &["--connect", &at, "--dealer", &dealer_at],
        &["the server has another model", "vae/config.json"],
    );
    server.fails(&["the client asks for another model"]);
}

#[test]
fn files_of_prompts_that_cannot_be_read() {
    let place = Place::new().with_words();
    let run = ["run", "--quiet", "--model", "words", "--out", "out", "--prompts"];
    place.start(&[&run[..], &["nowhere.csv"]].concat()).fails(&["--prompts nowhere.csv", "cannot be read"]);
    fs::write(place.path("x.csv"), "prompt,seed\nmy diary,x\n").expect("writable");
    place.start(&[&run[..], &["x.csv"]].concat()).fails(&["--prompts x.csv: line 2: the seed"]);
    nothing_finished(&place, "out");
}
