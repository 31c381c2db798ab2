namespace MsResampler.Model;

/// <summary>A quantity given per axis, rows first: a window or a sigma.</summary>
/// <param name="Rows">The value along the rows (vertical axis).</param>
/// <param name="Columns">The value along the columns (horizontal axis).</param>
public readonly record struct AxisPair(double Rows, double Columns);
