"""Build the CLIP BPE tokenizer (49408 entries) in the Hugging Face layout from the vocabulary file that
open_clip_torch ships, and check it against open_clip's own tokenizer.

    python build_clip_tokenizer.py --out OUT/mini-sd/tokenizer

Writes vocab.json, merges.txt, tokenizer.json (which holds the same once more and is not shipped), tokenizer_config.json,
special_tokens_map.json and, as --fixtures, the test strings with their ids.
"""
import argparse, gzip, json, os, random
import open_clip.tokenizer as oc
from tokenizers import Tokenizer
from transformers import CLIPTokenizer

SOT, EOT = "<|startoftext|>", "<|endoftext|>"


def strings(seed=0):
    out = [
        "", " ", "a", "A photo of a cat.", "a photograph of an astronaut riding a horse",
        "a handwritten digit seven", "a white dress", "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG",
        "don't you've I'm he'll they're she'd it's", "DON'T YOU'VE I'M HE'LL", "'s 't 're 've 'm 'll 'd", "rock'n'roll o'clock",
        "1234567890", "v1.5 at 512x512, 50 steps, cfg=7.5", "3.14159 and 2,718,281", "$9.99 (50% off!)", "a+b=c; x_y-z/w\\q|p",
        "tabs\tand\nnewlines\r\nand   many    spaces", "  leading and trailing  ", "!!!", "...", "?!?!", "----", "#hashtag @mention",
        "http://example.com/path?x=1&y=2", "user@example.org", "café naïve façade jalapeño Ångström", "Zürich straße Ünïcödé",
        "日本語のテキスト", "中文提示词：一只猫", "한국어 문장", "русский текст", "ελληνικά", "עברית", "العربية", "हिन्दी", "ไทย",
        "😀 😂 ❤️ 👍🏽 👨‍👩‍👧", "mixed 日本 English 123 emoji 🎉!", "e\u0301 combining", "\u00e9 precomposed", "fi ligature", "½ ² ③ Ⅳ", "º ª",
        "supercalifragilisticexpialidocious antidisestablishmentarianism", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "zxqj vbnmk wrtpsd",
        "oil painting, trending on artstation, highly detailed, 8k, by greg rutkowski", "(masterpiece:1.2), [bad anatomy]",
        "“curly quotes” and ‘single’ — em dash… ellipsis", "non\u00a0breaking space", "zero\u200bwidth", "soft\u00adhyphen",
        "&amp; &lt;tag&gt; &quot;", "<b>bold</b>", "under_score__double", "CamelCaseString and snake_case_string", "İstanbul ǅ ẞ",
    ]
    r = random.Random(seed)
    adj = "red blue tiny huge ancient wooden shiny blurry golden rusty electric furry abstract photorealistic watercolor neon".split()
    noun = "dog cats horse city castle river sneaker handbag ankle-boot T-shirt trousers skyline teapot robot dragon's bicycle portrait".split()
    tail = ["in the style of Van Gogh", "at sunset", "on a table, 4k", "by the sea; close-up", "(1998)", "with 3 apples & 2 pears", "-- no text", "from above!", "on Mars"]
    while len(out) < 190:
        n = r.randint(1, 4)
        s = "a %s %s %s" % (" ".join(r.choice(adj) for _ in range(n)), r.choice(noun), r.choice(tail))
        out.append(r.choice([s, s.upper(), s.title(), s + ", " + s]))
    while len(out) < 220:     # random printable ASCII
        out.append("".join(chr(r.randint(32, 126)) for _ in range(r.randint(1, 60))))
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", default="out/mini-sd/tokenizer")
    p.add_argument("--fixtures", default="out/fixtures/tokenizer.json")
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    lines = gzip.open(oc.default_bpe()).read().decode("utf-8").split("\n")
    print("version line:", lines[0], "| lines:", len(lines))
    merges = lines[1:49152 - 256 - 2 + 1]
    base = list(oc.bytes_to_unicode().values())
    vocab = base + [c + "</w>" for c in base] + ["".join(m.split()) for m in merges] + [SOT, EOT]
    enc = {t: i for i, t in enumerate(vocab)}
    print("entries", len(vocab), "distinct", len(enc), "merges", len(merges))
    assert len(enc) == 49408 and enc[SOT] == 49406 and enc[EOT] == 49407
    tok = CLIPTokenizer(vocab=enc, merges=[tuple(m.split()) for m in merges], model_max_length=77)
    tok.save_pretrained(a.out)
    json.dump(enc, open(f"{a.out}/vocab.json", "w"), ensure_ascii=False)
    open(f"{a.out}/merges.txt", "w").write("#version: 0.2\n" + "\n".join(merges) + "\n")
    json.dump({"bos_token": SOT, "eos_token": EOT, "pad_token": EOT, "unk_token": EOT},
              open(f"{a.out}/special_tokens_map.json", "w"), indent=1)
    c = json.load(open(f"{a.out}/tokenizer_config.json"))
    print("tokenizer_config", c)

    ref = oc.SimpleTokenizer()
    raw = Tokenizer.from_file(f"{a.out}/tokenizer.json")
    hf = CLIPTokenizer.from_pretrained(a.out)
    same, fixtures = 0, []
    ss = strings()
    for s in ss:
        want = [49406] + ref.encode(s) + [49407]
        got, got2 = raw.encode(s).ids, hf(s)["input_ids"]
        assert got == got2, s
        same += want == got
        fixtures.append({"text": s, "ids": got})
        if want != got:
            print("DIFF", ascii(s), want, got)
    print(f"{same} of {len(ss)} strings agree with open_clip")
    json.dump({"note": "ids from tokenizer.json (no padding, no truncation), start 49406 and end 49407 included",
               "pad_id": 49407, "max_length": 77, "cases": fixtures}, open(a.fixtures, "w"), ensure_ascii=True, indent=0)


if __name__ == "__main__":
    main()
