using MsResampler.Cpu.Integer;

namespace MsResampler.Tests.Cpu.Integer;

[TestFixtureSource(typeof(IntegerFixtures), nameof(IntegerFixtures.Kernels))]
internal sealed class IntegerKernelTests(string kernelName) : GuardedTests
{
    private readonly IntegerKernel _kernel = IntegerFixtures.Kernel(kernelName);

    /// <summary>Values of the operands of a tile.</summary>
    public enum Operands
    {
        /// <summary>Over the whole range.</summary>
        Random,

        /// <summary>The largest activations times the largest weights.</summary>
        Largest,

        /// <summary>The largest activations times the smallest weights.</summary>
        Smallest,

        /// <summary>The smallest activations times the smallest weights.</summary>
        SmallestSquared,
    }

    [Test]
    public void Sums_are_exact([Values] IntegerType type, [Values] Operands operands,
        [Values(1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 64, 100, 1023, 65_536)] int length)
    {
        TileOperands tile = Tile(_kernel, type, operands, length);
        Assert.That(tile.Multiply(), Is.EqualTo(tile.Exact));
    }

    [Test]
    public void Rows_may_repeat([Values] IntegerType type)
    {
        TileOperands tile = Tile(_kernel, type, Operands.Random, length: 37);
        int[] rows = [2, 2, 0, 5, 0, 2];
        Assert.That(tile.Multiply(rows), Is.EqualTo(rows.SelectMany(row
            => tile.Exact.Skip(_kernel.PanelWidth * row).Take(_kernel.PanelWidth))));
    }

    [Test]
    public void Sums_of_narrow_panels_and_of_rows_with_gaps_are_exact([Values] IntegerType type,
        [Values] Operands operands, [Values(1, 4, 7, 64, 192)] int length, [Values(1, 2, 16, 80)] int stride)
    {
        using (Assert.EnterMultipleScope())
        {
            for (int width = 16; width <= _kernel.PanelWidth; width += 16)
            {
                TileOperands tile = Tile(_kernel, type, operands, length, stride, width);
                Assert.That(tile.MultiplyShort(), Is.EqualTo(tile.Exact), $"{width} columns");
            }
        }
    }

    /// <summary>A tile of the operands that its kernel gets.</summary>
    public static TileOperands Tile(IntegerKernel kernel, IntegerType type, Operands operands, int length,
        int stride = 1, int width = 0)
    {
        int level = type.MaxLevel(length);
        (int low, int high) = type == IntegerType.Int16 ? (-level, level) : (kernel.HasByteActivations ? 0 : -255, 255);
        int[] activations = Draw(IntegerTile.RowCount, low, high, isSmallest: operands == Operands.SmallestSquared);
        int[] weights = Draw(kernel.PanelWidth, -level, level,
            isSmallest: operands is Operands.Smallest or Operands.SmallestSquared);
        // Steps may be longer than the product: the kernels multiply what follows the last activation by zero.
        return new TileOperands(kernel, type, length, (row, k) => k < length ? activations[(row * length) + k] : 1,
            (k, column) => weights[(column * length) + k], skip: 0, stride, width);

        int[] Draw(int count, int low, int high, bool isSmallest)
        {
            Random random = new(length);
            int[] values = new int[count * length];
            for (int index = 0; index < values.Length; index++)
                values[index] = operands == Operands.Random ? random.Next(low, high + 1) : isSmallest ? low : high;
            return values;
        }
    }
}
