using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using SkiaSharp;

namespace MsResampler.Cli.Input;

/// <summary>Features in a NumPy <c>.npy</c> file: float32 or float16, little-endian, C order.</summary>
internal sealed class NpyFeatures : IFeatureSource
{
    private readonly InputFile _source;
    private readonly SafeFileHandle _file;
    private readonly NpyHeader _header;
    private readonly FeatureShape _shape;

    private NpyFeatures(InputFile source, SafeFileHandle file, FeatureLayout layout)
    {
        _source = source;
        _file = file;
        _header = NpyHeader.Read(source.Name, file);
        _shape = layout.Read(source.Name, _header.Shape, allowBatch: true);
        UInt128 expected = (UInt128)_header.DataOffset
            + ((UInt128)_shape.ImageCount * (UInt128)_shape.Stride * (UInt128)_header.ElementBytes);
        long length = RandomAccess.GetLength(file);
        if (expected != (UInt128)length)
            throw new InputException($"{source.Name}: expected a file of {expected} bytes by its header, found " +
                $"{length}");
        Grids = [.. Enumerable.Repeat(_shape.Grid, _shape.ImageCount)];
    }

    public long ChannelCount => _shape.ChannelCount;

    public IReadOnlyList<PatchGrid> Grids { get; }

    public IReadOnlyList<long> StoredShape => _header.Shape;

    /// <summary>Opens the features of a file. The result owns the file.</summary>
    public static NpyFeatures Open(InputFile source, FeatureLayout layout)
    {
        SafeFileHandle file = File.OpenHandle(source.ReadablePath);
        try
        {
            return new NpyFeatures(source, file, layout);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public string Describe(int imageIndex) => $"{_source.Name}: image {imageIndex}";

    public string FileStem(int imageIndex) => $"features.{imageIndex}";

    public void Read(int imageIndex, Span<float> destination)
    {
        long offset = _header.DataOffset + (_shape.Start(imageIndex) * _header.ElementBytes);
        if (_header.ElementBytes == sizeof(float))
        {
            ReadExactly(offset, MemoryMarshal.AsBytes(destination));
            return;
        }

        Half[] halves = GC.AllocateUninitializedArray<Half>(destination.Length);
        ReadExactly(offset, MemoryMarshal.AsBytes(halves.AsSpan()));
        TensorPrimitives.ConvertToSingle(halves, destination);
    }

    public SKBitmap? ReadPicture(int imageIndex, int longSide) => null;

    public void Dispose()
    {
        _file.Dispose();
        _source.Dispose();
    }

    private void ReadExactly(long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            int count = RandomAccess.Read(_file, destination, offset);
            if (count == 0)
                throw new InputException($"{_source.Name}: the file became shorter while it was read");
            offset += count;
            destination = destination[count..];
        }
    }
}
