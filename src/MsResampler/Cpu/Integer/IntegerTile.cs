using System.Runtime.InteropServices;

namespace MsResampler.Cpu.Integer;

/// <summary>The arguments of a tile of an integer product: six rows of activations times one panel of weights. Machine
/// code reads the fields at fixed offsets. A step is the four bytes that a lane of 32 bits multiplies at once: four
/// products of 8 bits, or two of 16 bits.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct IntegerTile
{
    /// <summary>The number of rows.</summary>
    public const int RowCount = 6;

    /// <summary>The first step of each row of activations. Rows may repeat.</summary>
    public int* Row0, Row1, Row2, Row3, Row4, Row5;

    /// <summary>The panel of weights: for each step, the operands of every column.</summary>
    public void* Panel;

    /// <summary>The number of steps, at least 1.</summary>
    public nint StepCount;

    /// <summary>Receives the sums, [<see cref="RowCount"/>, <see cref="IntegerKernel.PanelWidth"/>], aligned to 64
    /// bytes.</summary>
    public int* Sums;

    /// <summary>Steps from one step of a row to the next: 1 where a row is contiguous.</summary>
    public nint StepStride;
}
