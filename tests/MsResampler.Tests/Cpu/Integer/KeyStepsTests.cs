using MsResampler.Cpu;
using MsResampler.Cpu.Integer;

namespace MsResampler.Tests.Cpu.Integer;

internal sealed unsafe class KeyStepsTests : GuardedTests
{
    [Test]
    public void Bytes_of_four_keys_are_interleaved([Values(16, 32, 80)] int channelCount)
    {
        AlignedBuffer[] keys = [.. Enumerable.Range(0, 4).Select(_ => AlignedBuffer.OfBytes(channelCount))];
        AlignedBuffer steps = AlignedBuffer.OfBytes(4 * channelCount);
        for (int index = 0; index < 4 * channelCount; index++)
            ((byte*)keys[index % 4].Pointer)[index / 4] = (byte)(index * 37);
        KeySteps.Interleave((byte*)keys[0].Pointer, (byte*)keys[1].Pointer, (byte*)keys[2].Pointer,
            (byte*)keys[3].Pointer, channelCount, (int*)steps.Pointer);
        Assert.That(new Span<byte>(steps.Pointer, 4 * channelCount).ToArray(),
            Is.EqualTo(Enumerable.Range(0, 4 * channelCount).Select(index => (byte)(index * 37))));
        GC.KeepAlive(keys);
    }

    [Test]
    public void Integers_of_two_keys_are_interleaved([Values(16, 32, 80)] int channelCount)
    {
        AlignedBuffer[] keys = [.. Enumerable.Range(0, 2).Select(_ => AlignedBuffer.OfBytes(2 * channelCount))];
        AlignedBuffer steps = AlignedBuffer.OfBytes(4 * channelCount);
        for (int index = 0; index < 2 * channelCount; index++)
            ((short*)keys[index % 2].Pointer)[index / 2] = (short)((index * 997) - 30_000);
        KeySteps.Interleave((short*)keys[0].Pointer, (short*)keys[1].Pointer, channelCount, (int*)steps.Pointer);
        Assert.That(new Span<short>(steps.Pointer, 2 * channelCount).ToArray(),
            Is.EqualTo(Enumerable.Range(0, 2 * channelCount).Select(index => (short)((index * 997) - 30_000))));
        GC.KeepAlive(keys);
    }
}
