using System.Buffers.Binary;

namespace MsResampler.Kernels.Tests.Devices;

/// <summary>The bytes that the host writes for the parameters of a kernel.</summary>
public sealed class KernelArgumentsTests
{
    private static readonly CompiledKernel s_kernel = new("name", "entry", "", [new(0, 16, 16), new(16, 16, 4),
        new(32, 4), new(40, 8), new(48, 4)], 52);

    [Test]
    public void A_view_is_its_address_and_its_length_in_elements_of_the_parameter()
    {
        ReadOnlySpan<byte> bytes = Write();

        Assert.That(BinaryPrimitives.ReadUInt64LittleEndian(bytes), Is.EqualTo(0x1000));
        Assert.That(BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]), Is.EqualTo(6));
        Assert.That(BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]), Is.EqualTo(0x1020));
        Assert.That(BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]), Is.EqualTo(16));
    }

    [Test]
    public void Scalars_and_structures_are_at_the_offsets_of_their_parameters()
    {
        ReadOnlySpan<byte> bytes = Write();

        Assert.That(bytes.Length, Is.EqualTo(s_kernel.ParameterBytes));
        Assert.That(BinaryPrimitives.ReadInt32LittleEndian(bytes[32..]), Is.EqualTo(-7));
        Assert.That(BinaryPrimitives.ReadInt32LittleEndian(bytes[40..]), Is.EqualTo(3));
        Assert.That(BinaryPrimitives.ReadSingleLittleEndian(bytes[44..]), Is.EqualTo(0.5f));
        Assert.That(BinaryPrimitives.ReadSingleLittleEndian(bytes[48..]), Is.EqualTo(1.5f));
    }

    private static byte[] Write()
    {
        KernelArguments arguments = new(stackalloc byte[KernelArguments.MaxBytes], s_kernel);
        DeviceView view = new(0x1000, 96);
        arguments.Add(view, view.Slice(0x20, 64));
        arguments.Add(-7);
        arguments.Add(new Pair { Index = 3, Value = 0.5f });
        arguments.Add(1.5f);
        return arguments.Bytes.ToArray();
    }

    private struct Pair
    {
        public int Index;
        public float Value;
    }
}
