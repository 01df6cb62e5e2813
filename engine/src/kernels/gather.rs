//! Rows of a table by index.

use crate::gpu::{Buf, GpuError, Kernel, Recorder};
use crate::{args, bufs};

/// `out[row] = table[index[row]]` for `n` indices (whole numbers in `f32`). The table of `width` columns comes in pieces of
/// whole rows, one after the other, so that each fits a binding. Rows with an index beyond the table are left as they are.
pub fn gather(
    rec: &mut Recorder,
    index: &Buf,
    n: usize,
    pieces: &[Buf],
    width: usize,
    out: &Buf,
) -> Result<(), GpuError> {
    let mut first = 0;
    for table in pieces {
        let rows = table.bytes() as usize / size_of::<f32>() / width.max(1);
        rec.run(
            &Kernel::new("gather"),
            args![n: n * width, width: width, first: first, rows: rows],
            bufs![index: index, table: table, out: out],
            n * width,
        )?;
        first += rows;
    }
    Ok(())
}
