using System.Runtime.InteropServices;
using MsResampler.Cpu;

namespace MsResampler.Tests.Cpu;

/// <summary>Transposes matrices whose memory ends at an unreadable page.</summary>
internal sealed unsafe class TranspositionTests : GuardedTests
{
    [Test]
    public void Every_element_of_16_bits_moves_to_its_place([Values(1, 7, 8, 9, 16, 23, 64)] int rowCount,
        [Values(1, 7, 8, 9, 15, 31, 32, 33, 72)] int columnCount, [Values(0, 3)] int padding)
    {
        int sourceStride = columnCount + padding;
        int targetStride = rowCount + padding;
        // Whole floats, so that an odd number of elements may be read one element past its end.
        AlignedBuffer source = AlignedBuffer.OfBytes(sizeof(ushort) * (((rowCount - 1) * sourceStride) + columnCount));
        AlignedBuffer target = AlignedBuffer.OfBytes(sizeof(ushort) * (((columnCount - 1) * targetStride) + rowCount));
        Span<ushort> from = MemoryMarshal.Cast<float, ushort>(source.Span);
        for (int index = 0; index < from.Length; index++)
            from[index] = (ushort)(index + 1);
        Transposition.Run((ushort*)source.Pointer, sourceStride, rowCount, columnCount, (ushort*)target.Pointer,
            targetStride);
        ushort[] expected = new ushort[2 * target.Count];
        for (int row = 0; row < rowCount; row++)
            for (int column = 0; column < columnCount; column++)
                expected[(column * targetStride) + row] = from[(row * sourceStride) + column];
        Assert.That(MemoryMarshal.Cast<float, ushort>(target.Span).ToArray(), Is.EqualTo(expected));
        GC.KeepAlive(source);
    }

    [Test]
    public void Every_element_moves_to_its_place([Values(1, 7, 8, 9, 16, 23, 64)] int rowCount,
        [Values(1, 7, 8, 9, 15, 16, 17, 24, 40)] int columnCount, [Values(0, 3)] int padding)
    {
        int sourceStride = columnCount + padding;
        int targetStride = rowCount + padding;
        AlignedBuffer source = new(((rowCount - 1) * sourceStride) + columnCount);
        AlignedBuffer target = new(((columnCount - 1) * targetStride) + rowCount);
        for (int index = 0; index < source.Count; index++)
            source.Span[index] = index + 1;
        Transposition.Run(source.Pointer, sourceStride, rowCount, columnCount, target.Pointer, targetStride);
        float[] expected = new float[target.Count];
        for (int row = 0; row < rowCount; row++)
            for (int column = 0; column < columnCount; column++)
                expected[(column * targetStride) + row] = source.Span[(row * sourceStride) + column];
        Assert.That(target.Span.ToArray(), Is.EqualTo(expected));
        GC.KeepAlive(source);
    }
}
