using MsResampler.Safetensors;

namespace MsResampler.Tests.Safetensors;

/// <summary>Sizes around 2^63, the limit of signed integers.</summary>
public class TensorSizeTests
{
    private const long Two31 = 1L << 31;
    private const long Two32 = 1L << 32;

    [TestCase(TensorType.F64, 1L << 57)]
    [TestCase(TensorType.F32, 1L << 58)]
    [TestCase(TensorType.F16, 1L << 59)]
    [TestCase(TensorType.U8, 1L << 60)]
    [TestCase(TensorType.F4, 1L << 61)]
    [TestCase(TensorType.F64, 1L << 29, 1L << 28)]
    [TestCase(TensorType.U8, 1, 1L << 30, 1, 1L << 30)]
    [TestCase(TensorType.F4, 2, 1L << 60)]
    public void Bits_of_exactly_2_to_the_63_overflow(TensorType type, params long[] shape)
    {
        Assert.That(TensorSize.Compute(type, shape, out _, out _), Is.EqualTo(SizeProblem.Overflow));

        // The largest size below the limit: the last extent minus the elements that fill whole bytes.
        int step = type == TensorType.F4 ? 2 : 1;
        long[] smaller = [.. shape[..^1], shape[^1] - step];
        Assert.That(TensorSize.Compute(type, smaller, out long elementCount, out long byteCount),
            Is.EqualTo(SizeProblem.None));
        Int128 expected = smaller.Aggregate((Int128)1, (product, extent) => product * extent);
        Assert.That((Int128)elementCount, Is.EqualTo(expected));
        Assert.That((Int128)byteCount, Is.EqualTo(expected * TensorTypes.BitsOf(type) / 8));
    }

    [TestCase(Two32, Two31, TestName = "Elements of exactly 2^63 overflow")]
    [TestCase(Two32, Two32, TestName = "Elements of exactly 2^64 overflow")]
    [TestCase(Two32, Two32 + 1, TestName = "Elements just above 2^64 overflow")]
    [TestCase(1L << 62, 2, TestName = "Elements of 2^63 by a factor of 2 overflow")]
    [TestCase(long.MaxValue, 2, TestName = "Twice the largest extent overflows")]
    [TestCase(long.MaxValue, long.MaxValue, TestName = "The largest square overflows")]
    [TestCase(Two32, Two32, 0, TestName = "A zero after an overflow does not undo it")]
    [TestCase(Two32, Two31, 0, TestName = "A zero after exactly 2^63 does not undo it")]
    [TestCase(3, 1L << 62, 1, TestName = "An overflow in the middle stays one")]
    public void Too_many_elements_overflow(params long[] shape)
    {
        foreach (TensorType type in Enum.GetValues<TensorType>())
            Assert.That(TensorSize.Compute(type, shape, out _, out _), Is.EqualTo(SizeProblem.Overflow));
    }

    [TestCase(0)]
    [TestCase(0, long.MaxValue, long.MaxValue)]
    [TestCase(long.MaxValue, 0)]
    [TestCase(1, 0, 1L << 62, 8)]
    public void A_zero_extent_needs_no_bytes(params long[] shape)
    {
        foreach (TensorType type in Enum.GetValues<TensorType>())
        {
            Assert.That(TensorSize.Compute(type, shape, out long elementCount, out long byteCount),
                Is.EqualTo(SizeProblem.None));
            Assert.That((elementCount, byteCount), Is.EqualTo((0L, 0L)));
        }
    }

    [Test]
    public void A_scalar_is_one_element()
    {
        Assert.That(TensorSize.Compute(TensorType.F64, [], out long elementCount, out long byteCount),
            Is.EqualTo(SizeProblem.None));
        Assert.That((elementCount, byteCount), Is.EqualTo((1L, 8L)));
    }

    [TestCase(TensorType.F4, 1, SizeProblem.PartialByte)]
    [TestCase(TensorType.F4, 2, SizeProblem.None)]
    [TestCase(TensorType.F6_E2M3, 2, SizeProblem.PartialByte)]
    [TestCase(TensorType.F6_E3M2, 3, SizeProblem.PartialByte)]
    [TestCase(TensorType.F6_E3M2, 4, SizeProblem.None)]
    [TestCase(TensorType.U8, 1, SizeProblem.None)]
    public void Packed_elements_fill_whole_bytes(TensorType type, long count, object expected)
        => Assert.That(TensorSize.Compute(type, [count], out _, out _), Is.EqualTo(expected));
}
