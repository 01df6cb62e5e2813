//! Small tools for making the page.

use std::fmt::Write;

/// Text as HTML, safe between tags and inside quoted attributes.
pub fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

/// A row of a table; all cells but the first hold numbers.
pub fn row(tag: &str, cells: impl Iterator<Item = String>) -> String {
    let mut html = String::from("<tr>");
    for (i, cell) in cells.enumerate() {
        let class = if i == 0 { "" } else { " class=\"n\"" };
        let _ = write!(html, "<{tag}{class}>{}</{tag}>", escape(&cell));
    }
    html + "</tr>\n"
}

/// Replaces every `{{name}}` of the template once; inserted values are not searched again.
pub fn fill(template: &str, values: &[(&str, String)]) -> String {
    let mut page = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let Some((name, behind)) = after.split_once("}}") else {
            page.push_str("{{");
            rest = after;
            continue;
        };
        match values.iter().find(|(key, _)| *key == name) {
            Some((_, value)) => page.push_str(value),
            // An unknown name stays visible, so that a test finds it.
            None => page.extend(["{{", name, "}}"]),
        }
        rest = behind;
    }
    page + rest
}

/// Base64 with padding (RFC 4648).
pub fn to_base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let six = (word >> (18 - 6 * place) & 63) as usize;
            text.push(if place <= chunk.len() { char::from(ALPHABET[six]) } else { '=' });
        }
    }
    text
}

/// Width and height of a PNG file, from its first chunk.
pub fn png_size(png: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?));
    (png.get(12..16)? == b"IHDR").then_some(())?;
    Some((number(16)?, number(20)?))
}

/// A table of names and what they stand for.
pub fn facts(rows: &[(&str, String)]) -> String {
    let body: String = rows.iter().map(|(k, v)| format!("<tr><th>{k}</th><td>{}</td></tr>\n", escape(v))).collect();
    format!("<table>{body}</table>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_vectors_of_rfc_4648() {
        let vectors = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (n, text) in vectors.into_iter().enumerate() {
            assert_eq!(to_base64(&b"foobar"[..n]), text);
        }
        assert_eq!(to_base64(&[0xff, 0xfb, 0xf0]), "//vw");
    }

    #[test]
    fn escaping() {
        assert_eq!(escape("a<b>&\"c'é"), "a&lt;b&gt;&amp;&quot;c&#39;é");
    }

    #[test]
    fn filling() {
        let values = [("a", "{{b}}".to_owned()), ("b", "2".to_owned())];
        assert_eq!(fill("{{a}}-{{b}}-{{c}} {{", &values), "{{b}}-2-{{c}} {{");
    }

    #[test]
    fn sizes_of_pngs() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        assert_eq!(png_size(&png), None);
        png.extend([0, 0, 1, 0, 0, 0, 0, 7]);
        assert_eq!(png_size(&png), Some((256, 7)));
        assert_eq!(png_size(b"GIF89a"), None);
    }
}
