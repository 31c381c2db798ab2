namespace MsResampler.Cpu.Integer;

/// <summary>Integer products without vectors. The other kernels are tested against it.</summary>
internal sealed unsafe class ScalarKernel : IntegerKernel
{
    public override string Name => "scalar";

    public override string Variant => "scalar";

    public override bool IsSupported => true;

    public override int PanelWidth => 16;

    public override bool HasByteActivations => false;

    public override void MultiplyInt8(IntegerTile* tile) => Multiply(tile, (sbyte*)tile->Panel);

    public override void MultiplyInt16(IntegerTile* tile) => Multiply(tile, (short*)tile->Panel);

    private void Multiply<TWeight>(IntegerTile* tile, TWeight* panel)
        where TWeight : unmanaged, System.Numerics.IBinaryInteger<TWeight>
    {
        int** rows = &tile->Row0;
        for (int row = 0; row < IntegerTile.RowCount; row++)
        {
            short* values = (short*)rows[row];
            int* sums = tile->Sums + (row * PanelWidth);
            new Span<int>(sums, PanelWidth).Clear();
            TWeight* weights = panel;
            for (nint step = 0; step < tile->StepCount; step++, weights += 2 * PanelWidth)
            {
                nint index = 2 * step * tile->StepStride;
                int first = values[index];
                int second = values[index + 1];
                for (int column = 0; column < PanelWidth; column++)
                    sums[column] += (first * int.CreateTruncating(weights[2 * column]))
                        + (second * int.CreateTruncating(weights[(2 * column) + 1]));
            }
        }
    }
}
