using System.Runtime.Intrinsics;
using MsResampler.Cpu.Integer;

namespace MsResampler.Tests.Cpu.Integer;

internal sealed class Vector128KernelTests : GuardedTests
{
    /// <summary>Processors with SSE2 do not use these products, but they can compute them.</summary>
    [Test]
    public void Sums_in_two_lanes_per_column_are_exact([Values] IntegerType type,
        [Values] IntegerKernelTests.Operands operands, [Values(1, 2, 3, 8, 31, 1023, 65_536)] int length)
    {
        TileOperands tile = IntegerKernelTests.Tile(new WideKernel(), type, operands, length);
        Assert.That(tile.Multiply(), Is.EqualTo(tile.Exact));
    }

    private sealed unsafe class WideKernel : IntegerKernel
    {
        public override string Name => "wide";

        public override string Variant => "vector128";

        public override bool IsSupported => true;

        public override int PanelWidth => 16;

        public override bool HasByteActivations => false;

        public override void MultiplyInt8(IntegerTile* tile)
            => IntegerTiles<Vector128Kernel.WideProduct<Vector128Kernel.Int8Weights>, Vector128<short>,
                Vector128Kernel.WideSum>.TwiceTwoVectors(tile);

        public override void MultiplyInt16(IntegerTile* tile)
            => IntegerTiles<Vector128Kernel.WideProduct<Vector128Kernel.Int16Weights>, Vector128<short>,
                Vector128Kernel.WideSum>.TwiceTwoVectors(tile);
    }
}
