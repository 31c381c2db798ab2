using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Tests.Compiler;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>A 16-bit type in the row layout of the kernels.</summary>
internal sealed class Bits16Type
{
    /// <summary>Fills memory that must not be read or written: NaN in both types.</summary>
    public const ushort Forbidden = 0xFFFF;

    private Bits16Type(Type element, int fractionBits)
    {
        Element = element;
        Roundoff = Math.ScaleB(1, -fractionBits - 1);
    }

    public static Bits16Type Float16 { get; } = new(typeof(MmaFloat16), fractionBits: 10);

    public static Bits16Type BFloat16 { get; } = new(typeof(MmaBFloat16), fractionBits: 7);

    public static IReadOnlyList<Bits16Type> All { get; } = [Float16, BFloat16];

    public Type Element { get; }

    /// <summary>The unit roundoff: the largest relative rounding error.</summary>
    public double Roundoff { get; }

    /// <summary>A kernel instantiated for rows of this type.</summary>
    public KernelVariant KernelFor(Type kernel, int blockSize = 128)
        => new(kernel.MakeGenericType(Element), blockSize, 1);

    public ushort Encode(float value)
    {
        if (Element == typeof(MmaFloat16))
            return BitConverter.HalfToUInt16Bits((Half)value);
        uint bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)0x7FFF : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    public float Decode(ushort bits) => Element == typeof(MmaFloat16)
        ? (float)BitConverter.UInt16BitsToHalf(bits) : BitConverter.Int32BitsToSingle(bits << 16);

    public float Round(float value) => Decode(Encode(value));

    /// <summary>Rows in vectors of eight elements. Each row is padded with zeros to a whole vector and then, up to the
    /// stride, with <see cref="Forbidden"/>.</summary>
    public ushort[] Rows(float[] values, int width, int stride)
    {
        ushort[] rows = Empty(values.Length / width, stride);
        for (int row = 0; row < values.Length / width; row++)
        {
            rows.AsSpan(row * 8 * stride, (width + 7) / 8 * 8).Clear();
            for (int column = 0; column < width; column++)
                rows[(row * 8 * stride) + column] = Encode(values[(row * width) + column]);
        }

        return rows;
    }

    /// <summary>Uninitialised rows.</summary>
    public static ushort[] Empty(int rowCount, int stride)
    {
        ushort[] rows = new ushort[rowCount * 8 * stride];
        Array.Fill(rows, Forbidden);
        return rows;
    }

    /// <summary>The values of the rows. Checks that the rows are padded with zeros and that nothing was written
    /// behind them.</summary>
    public float[] Read(ushort[] rows, int width, int stride)
    {
        int padded = (width + 7) / 8 * 8;
        float[] values = new float[rows.Length / (8 * stride) * width];
        for (int index = 0; index < rows.Length; index++)
        {
            int column = index % (8 * stride);
            if (column < width)
                values[(index / (8 * stride) * width) + column] = Decode(rows[index]);
            else
                Assert.That(rows[index], Is.EqualTo(column < padded ? 0 : Forbidden), $"element {index}");
        }

        return values;
    }

    /// <summary>The allowed deviation of a stored value that was computed with a given error: that error, plus
    /// rounding; the smallest float16 values are 2⁻²⁴ apart.</summary>
    public double Tolerance(double expected, double error)
        => error + (Roundoff * (Math.Abs(expected) + error)) + Math.ScaleB(1, -25);

    public override string ToString() => Element.Name;

    /// <summary>A parameter, padded to a whole vector of eight.</summary>
    public static float[] Parameter(float[] values)
    {
        float[] padded = new float[(values.Length + 7) / 8 * 8];
        values.CopyTo(padded, 0);
        return padded;
    }

    /// <summary>Checks that a kernel uses no local memory on any architecture.</summary>
    public static void AssembleWithoutLocalMemory(KernelVariant variant)
    {
        IReadOnlyList<Ptxas> all = Ptxas.OrSkip();
        CompiledKernel kernel = variant.Compile(EmulatorHost.Compiler, 80);
        using (Assert.EnterMultipleScope())
        {
            foreach (Ptxas ptxas in all)
            {
                foreach (int architecture in new[] { 80, 86, 89, 90 })
                {
                    PtxasReport report = ptxas.Assemble(kernel, architecture);
                    Assert.That((report.StackBytes, report.SpillBytes), Is.EqualTo((0, 0)),
                        $"{ptxas}, sm_{architecture}");
                }
            }
        }
    }
}
