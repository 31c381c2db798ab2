namespace MsResampler.Kernels.Forward;

/// <summary>A table in float32 of which each row of a product or normalisation gets one row added.</summary>
/// <param name="Rows">The memory that holds the table's rows.</param>
/// <param name="Starts">For each row of the operand, where its row of the table begins, in units of four
/// floats.</param>
/// <param name="Width">Elements of a row of the table: the first columns of the operand; 0 if nothing is added.</param>
/// <param name="Bytes">The size of the tables of all grids in the batch.</param>
internal readonly record struct RowTable(DeviceView Rows, DeviceView Starts, int Width, double Bytes);
