//! Classes and tokens as the networks take them on shares.

use crate::ModelError;

/// Rows `[n, entries]` with a one at each index.
pub(crate) fn one_hot(
    indices: impl ExactSizeIterator<Item = usize>,
    entries: usize,
    what: &str,
) -> Result<Vec<f32>, ModelError> {
    let mut rows = vec![0.0; indices.len() * entries];
    for (at, index) in indices.enumerate() {
        // The index is the client's secret.
        if index >= entries {
            return Err(ModelError::Request(format!("{what} {at} is none of the {entries} that the model has")));
        }
        rows[at * entries + index] = 1.0;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_one_one() {
        let rows = one_hot([2, 0].into_iter(), 3, "class").expect("classes");
        assert_eq!(rows, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
        assert!(one_hot([].into_iter(), 3, "class").expect("nothing").is_empty());
        let text = one_hot([0, 7].into_iter(), 3, "token").expect_err("beyond the table").to_string();
        assert!(text.contains("token 1 is none of the 3") && !text.contains('7'), "{text}");
    }
}
