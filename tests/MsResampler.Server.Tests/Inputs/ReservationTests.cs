using System.Buffers;
using MsResampler.Server.Inputs;
using MsResampler.Server.Limits;
using MsResampler.Server.Models;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Tests.Inputs;

/// <summary>Memory is reserved before it is allocated, and freed with the request.</summary>
internal sealed class ReservationTests : InputsFixture
{
    // 100 rows of 3 channels need an array of 512 floats. The answer of one image is 20 floats of tokens, in an array
    // of 32, and 48 of the gate, in one of 64. A grid is 2 integers.
    private const int FeatureBytes = 512 * 4;
    private const int GridBytes = 2 * 4;
    private const int TokenBytes = 32 * 4;
    private const int GateBytes = 64 * 4;

    [TestCase("FP32", 4)]
    [TestCase("FP16", 2)]
    [TestCase("BF16", 2)]
    public void FeaturesReserveTheSizeOfFloat32(string datatype, int elementBytes)
    {
        InputTensor tensor = Inputs.Declare("features", datatype, [100, 3]);
        tensor.StartRaw(300 * elementBytes);
        tensor.AppendRaw([0]);
        Assert.That(Budget.Used, Is.EqualTo(FeatureBytes));
    }

    [Test]
    public void ARequestReservesItsAnswer([Values] bool gate)
    {
        AddImage();
        InferenceRequest request = Build(null, gate ? [new OutputRequest("gate", Parameters.None)] : []);
        Assert.That(Budget.Used, Is.EqualTo(FeatureBytes + GridBytes + TokenBytes + (gate ? GateBytes : 0)));
        request.Dispose();
        Assert.That(Budget.Used, Is.Zero);
    }

    [Test]
    public void FeaturesThatDoNotFitNowAreBusy()
    {
        Restart(FeatureBytes);
        using MemoryLease other = Budget.Open();
        other.Grow(1);
        Fails(ErrorKind.Busy, AddImage, "memory");
    }

    [Test]
    public void FeaturesThatNeverFitAreTooLarge()
    {
        Restart(FeatureBytes - 1);
        Fails(ErrorKind.TooLarge, AddImage, "memory");
    }

    [Test]
    public void AnAnswerThatDoesNotFitIsAnErrorBeforeItIsComputed()
    {
        Restart(FeatureBytes + GridBytes + TokenBytes - 1);
        AddImage();
        Fails(ErrorKind.TooLarge, () => Build(), "memory");
    }

    [Test]
    public void RawFloatsInPlaceReserveNothing()
    {
        Inputs.Declare("features", "FP32", [100, 3]).UseRaw(new byte[1200]);
        Assert.That(Budget.Used, Is.Zero);
    }

    [Test]
    public void PicturesReserveTheirBytes()
    {
        InputTensor tensor = Inputs.Declare("image", "BYTES", [1]);
        tensor.StartRaw(104);
        tensor.AppendRaw([100, 0, 0, 0]);
        Assert.That(Budget.Used, Is.Zero);
        tensor.AppendRaw([1]);
        Assert.That(Budget.Used, Is.EqualTo(128));
    }

    [TestCase(1)]
    [TestCase(16)]
    [TestCase(17)]
    [TestCase(1000)]
    [TestCase((1 << 20) + 1)]
    public void TheReservationIsWhatThePoolGives(int count)
    {
        float[] array = ArrayPool<float>.Shared.Rent(count);
        Assert.That(PooledArrays.BytesOf(count, sizeof(float)), Is.EqualTo(array.Length * (long)sizeof(float)));
        ArrayPool<float>.Shared.Return(array);
    }

    private void AddImage()
    {
        AddFeatures(new float[300]);
        AddIntegers("grids", 10, 10);
    }
}
