using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Tests.Compiler;
using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>A type of 16 bits as the kernels on rows store it.</summary>
internal sealed class Bits16Type
{
    /// <summary>Fills what must not be read, or not be written: NaN in either type.</summary>
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

    /// <summary>How far rounding moves a number at most, relative to it.</summary>
    public double Roundoff { get; }

    /// <summary>A kernel on rows of this type.</summary>
    public KernelVariant KernelFor(Type kernel, int groupSize = 128)
        => new(kernel.MakeGenericType(Element), groupSize, 1);

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

    /// <summary>Rows of a stride in groups of eight: each filled up with zeros to a whole group, then with what is
    /// forbidden.</summary>
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

    /// <summary>Rows that nobody has written.</summary>
    public static ushort[] Empty(int rowCount, int stride)
    {
        ushort[] rows = new ushort[rowCount * 8 * stride];
        Array.Fill(rows, Forbidden);
        return rows;
    }

    /// <summary>The numbers of rows, after a check that they end with zeros and that nothing was written after
    /// them.</summary>
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

    /// <summary>How far a stored number may be from the exact one if it was computed with a given error: rounding moves
    /// it further, the smallest float16 standing 2⁻²⁴ apart.</summary>
    public double Tolerance(double expected, double error)
        => error + (Roundoff * (Math.Abs(expected) + error)) + Math.ScaleB(1, -25);

    public override string ToString() => Element.Name;

    /// <summary>A parameter filled up to a whole group of eight.</summary>
    public static float[] Parameter(float[] values)
    {
        float[] padded = new float[(values.Length + 7) / 8 * 8];
        values.CopyTo(padded, 0);
        return padded;
    }

    /// <summary>Checks that a kernel keeps to registers on every architecture.</summary>
    public static void AssembleWithoutLocalMemory(KernelVariant variant)
    {
        Ptxas ptxas = Ptxas.OrSkip();
        CompiledKernel kernel = variant.Compile(EmulatorHost.Compiler, 80);
        using (Assert.EnterMultipleScope())
        {
            foreach (int architecture in new[] { 80, 86, 89, 90 })
            {
                PtxasReport report = ptxas.Assemble(kernel, architecture);
                Assert.That((report.StackBytes, report.SpillBytes), Is.EqualTo((0, 0)), $"sm_{architecture}");
            }
        }
    }
}
