using System.Runtime.InteropServices;
using MsResampler.Server.Inputs;
using MsResampler.Server.Models;

namespace MsResampler.Server.Tests.Inputs;

/// <summary>Raw bytes that arrive in pieces of any length.</summary>
internal sealed class RawPieceTests : InputsFixture
{
    private static IEnumerable<int> PieceLengths => Enumerable.Range(1, 40);

    [TestCaseSource(nameof(PieceLengths))]
    public void FeaturesOf32BitsKeepTheirBits(int pieceLength)
    {
        float[] values = [1f, -0f, float.Epsilon, float.MaxValue, -1.5f, 3.1415927f];
        AssertFeatures("FP32", Raw(values), values, pieceLength);
    }

    [TestCaseSource(nameof(PieceLengths))]
    public void FeaturesOfFloat16AreWidened(int pieceLength)
    {
        Half[] values = [(Half)1, (Half)(-0f), Half.Epsilon, Half.MaxValue, (Half)(-1.5f), (Half)3.14f];
        AssertFeatures("FP16", Raw(values), [.. values.Select(value => (float)value)], pieceLength);
    }

    [TestCaseSource(nameof(PieceLengths))]
    public void FeaturesOfBFloat16AreWidened(int pieceLength)
    {
        ushort[] bits = [0x3f80, 0x8000, 0x0001, 0x7f7f, 0xbfc0, 0x4049];
        AssertFeatures("BF16", Raw(bits), [.. bits.Select(half => BitConverter.Int32BitsToSingle(half << 16))],
            pieceLength);
    }

    [TestCaseSource(nameof(PieceLengths))]
    public void IntegersKeepTheirValues(int pieceLength)
    {
        AddFeatures(new float[18]);
        Append(Inputs.Declare("grids", "INT32", [3, 2]), Raw(1, 2, 1, 1, 3, 1), pieceLength);
        using InferenceRequest request = Build();
        Assert.That(request.Grids, Is.EqualTo(new PatchGrid[] { new(1, 2), new(1, 1), new(3, 1) }));
    }

    [TestCaseSource(nameof(PieceLengths))]
    public void PicturesKeepTheirBytes(int pieceLength)
    {
        byte[] raw = [3, 0, 0, 0, 7, 8, 9, 1, 0, 0, 0, 5, 6, 0, 0, 0, 1, 2, 3, 4, 5, 6];
        Append(Inputs.Declare("image", "BYTES", [3]), raw, pieceLength);
        using InferenceRequest request = Build();
        Assert.That(request.Pictures.Select(picture => picture.ToArray()),
            Is.EqualTo(new byte[][] { [7, 8, 9], [5], [1, 2, 3, 4, 5, 6] }));
    }

    [Test]
    public void FeaturesLongerThanAPieceAreChecked([Values("FP32", "FP16", "BF16")] string datatype,
        [Values(0, 12287, 12288, 29999)] int place)
    {
        float[] values = new float[30000];
        values[place] = float.NaN;
        byte[] raw = datatype switch
        {
            "FP32" => Raw(values),
            "FP16" => Raw(Array.ConvertAll(values, value => (Half)value)),
            _ => Raw(Array.ConvertAll(values, value => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16))),
        };
        AddIntegers("grids", 100, 100);
        Append(Inputs.Declare("features", datatype, [10000, 3]), raw, raw.Length);
        IsWrong(() => Build(), $"row {place / 300}, column {place / 3 % 100}, channel {place % 3} is NaN");
    }

    [Test]
    public void RawFloatsOfAnArrayAreUsedInPlace()
    {
        byte[] raw = Raw(1f, 2f, 3f);
        AddIntegers("grids", 1, 1);
        Inputs.Declare("features", "FP32", [1, 3]).UseRaw(raw);
        using InferenceRequest request = Build();
        Assert.That(MemoryMarshal.AsBytes(request.Features.Span).Overlaps(raw), Is.True);
    }

    [Test]
    public void RawFloatsAtAnOddAddressAreCopied()
    {
        byte[] raw = [0, .. Raw(1f, 2f, 3f)];
        AddIntegers("grids", 1, 1);
        Inputs.Declare("features", "FP32", [1, 3]).UseRaw(raw.AsMemory(1));
        using InferenceRequest request = Build();
        Assert.That(request.Features.ToArray(), Is.EqualTo(new[] { 1f, 2f, 3f }));
    }

    [Test]
    public void RawPicturesAreUsedInPlace()
    {
        byte[] raw = [2, 0, 0, 0, 7, 8, 1, 0, 0, 0, 9];
        Inputs.Declare("image", "BYTES", [2]).UseRaw(raw);
        using InferenceRequest request = Build();
        Assert.That(request.Pictures.Select(picture => picture.ToArray()), Is.EqualTo(new byte[][] { [7, 8], [9] }));
        Assert.That(request.Pictures[0].Span.Overlaps(raw), Is.True);
    }

    [Test]
    public void RawFloatsInPlaceAreCheckedToo()
    {
        AddIntegers("grids", 1, 1);
        Inputs.Declare("features", "FP32", [1, 3]).UseRaw(Raw(1f, float.PositiveInfinity, 3f));
        IsWrong(() => Build(), "image 0 (1x1 patches)", "channel 1 is infinity", "finite");
    }

    [Test]
    public void TooFewBytesAreAnError()
    {
        InputTensor tensor = Inputs.Declare("features", "FP32", [1, 3]);
        tensor.StartRaw(12);
        tensor.AppendRaw(new byte[11]);
        IsWrong(tensor.Complete, "input 'features'", "12 bytes", "found 11");
    }

    [Test]
    public void TooManyBytesAreAnError()
    {
        InputTensor tensor = Inputs.Declare("features", "FP32", [1, 3]);
        tensor.StartRaw(12);
        tensor.AppendRaw(new byte[11]);
        IsWrong(() => tensor.AppendRaw(new byte[2]), "input 'features'", "12 bytes", "more");
    }

    [Test]
    public void ALengthThatTheShapeDoesNotHaveIsAnError()
        => IsWrong(() => Inputs.Declare("grids", "INT32", [2, 2]).StartRaw(12), "input 'grids'", "16 bytes",
            "[2, 2] INT32", "found 12");

    [Test]
    public void AnElementLongerThanItsBytesIsAnError([Values(1, 4, 9)] int pieceLength)
        => IsWrong(() => Append(Inputs.Declare("image", "BYTES", [1]), [6, 0, 0, 0, 1, 2, 3, 4, 5], pieceLength),
            "input 'image', element 0", "at most 5 bytes", "length of 6");

    [Test]
    public void AHugeLengthOfAnElementReservesNothing()
    {
        IsWrong(() => Append(Inputs.Declare("image", "BYTES", [1]), [0xff, 0xff, 0xff, 0xff, 1], 5),
            "length of 4294967295");
        Assert.That(Budget.Used, Is.Zero);
    }

    [Test]
    public void MoreElementsThanTheShapeAreAnError([Values(1, 100)] int pieceLength)
        => IsWrong(() => Append(Inputs.Declare("image", "BYTES", [1]), [1, 0, 0, 0, 9, 1, 0, 0, 0, 8], pieceLength),
            "input 'image'", "1 elements", "more");

    [Test]
    public void FewerElementsThanTheShapeAreAnError()
        => IsWrong(() => Append(Inputs.Declare("image", "BYTES", [2]), [1, 0, 0, 0, 9], 5), "input 'image'",
            "2 values", "found 1");

    [Test]
    public void BytesThatEndWithinALengthAreAnError([Values] bool inPlace)
    {
        InputTensor tensor = Inputs.Declare("image", "BYTES", [2]);
        byte[] raw = [1, 0, 0, 0, 9, 1, 0];
        if (inPlace)
            tensor.UseRaw(raw);
        else
            Append(tensor, raw, 3, complete: false);
        IsWrong(tensor.Complete, "the bytes end within element 1");
    }

    [Test]
    public void AnEmptyPictureIsAnError()
    {
        Append(Inputs.Declare("image", "BYTES", [2]), [1, 0, 0, 0, 9, 0, 0, 0, 0], 2);
        IsWrong(() => Build(), "input 'image', element 1", "found none");
    }

    private void AssertFeatures(string datatype, byte[] raw, float[] expected, int pieceLength)
    {
        AddIntegers("grids", 1, 2);
        Append(Inputs.Declare("features", datatype, [2, 3]), raw, pieceLength);
        using InferenceRequest request = Build();
        Assert.That(Raw(request.Features.ToArray()), Is.EqualTo(Raw(expected)));
    }

    private static void Append(InputTensor tensor, byte[] raw, int pieceLength, bool complete = true)
    {
        tensor.StartRaw(raw.Length);
        foreach (byte[] piece in raw.Chunk(pieceLength))
            tensor.AppendRaw(piece);
        if (complete)
            tensor.Complete();
    }
}
