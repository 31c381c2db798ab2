using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using MsResampler.Safetensors;

namespace MsResampler.Cli.Input;

/// <summary>Tokens in a file as <c>run --out</c> writes them: the tensor <c>tokens</c> [B, M, L] of a
/// <c>.safetensors</c> file, or a <c>.npy</c> file with this shape. They are read when needed.</summary>
internal sealed class TeacherTokens : IDisposable
{
    private const string Option = "--teacher";
    private const string TensorName = "tokens";

    private readonly InputFile _source;
    private readonly SafetensorsCheckpoint? _checkpoint;
    private readonly TensorInfo? _tensor;
    private readonly SafeFileHandle? _npy;
    private readonly NpyHeader? _header;

    private TeacherTokens(InputFile source)
    {
        _source = source;
        IReadOnlyList<long> shape;
        if (FileContent.IsNpy(source))
        {
            _npy = File.OpenHandle(source.ReadablePath);
            try
            {
                _header = NpyHeader.Read(source.Name, _npy);
                shape = _header.Shape;
                Require(shape);
                CheckLength(_header, RandomAccess.GetLength(_npy));
            }
            catch
            {
                _npy.Dispose();
                throw;
            }
        }
        else
        {
            if (FileContent.Describe(source) is { } found
                && !source.Name.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
                throw new InputException($"{source.Name}: expected tokens in a .safetensors or .npy file, as " +
                    $"run --out writes them, found {found}");
            _checkpoint = SafetensorsCheckpoint.Open(source.ReadablePath);
            try
            {
                _tensor = _checkpoint.Find(TensorName) ?? throw new InputException($"{source.Name}: expected a " +
                    $"tensor '{TensorName}', as run --out writes it, found none of that name");
                shape = _tensor.Shape;
                Require(shape);
            }
            catch
            {
                _checkpoint.Dispose();
                throw;
            }
        }

        (ImageCount, TokenCount, TokenWidth) = ((int)shape[0], (int)shape[1], (int)shape[2]);
    }

    /// <summary>B, the number of images or groups.</summary>
    public int ImageCount { get; }

    /// <summary>M.</summary>
    public int TokenCount { get; }

    /// <summary>L.</summary>
    public int TokenWidth { get; }

    /// <summary>Opens a file.</summary>
    /// <exception cref="InputException">The file does not exist, or holds no tokens.</exception>
    public static TeacherTokens Open(string path)
    {
        InputFile file = InputFile.Open(path, Option);
        try
        {
            return new TeacherTokens(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads the tokens of an image, [M, L].</summary>
    public void Read(int image, Span<float> destination)
    {
        long first = (long)image * TokenCount * TokenWidth;
        if (_checkpoint is not null)
        {
            _checkpoint.Read(_tensor!, first, destination);
            return;
        }

        long offset = _header!.DataOffset + (first * _header.ElementBytes);
        if (_header.ElementBytes == sizeof(float))
        {
            ReadExactly(offset, MemoryMarshal.AsBytes(destination));
            return;
        }

        Half[] halves = GC.AllocateUninitializedArray<Half>(destination.Length);
        ReadExactly(offset, MemoryMarshal.AsBytes(halves.AsSpan()));
        TensorPrimitives.ConvertToSingle(halves, destination);
    }

    public void Dispose()
    {
        _checkpoint?.Dispose();
        _npy?.Dispose();
        _source.Dispose();
    }

    private void Require(IReadOnlyList<long> shape)
    {
        if (shape.Count != 3 || shape.Any(extent => extent is < 1 or > int.MaxValue)
            || (UInt128)shape[1] * (UInt128)shape[2] > (UInt128)FeatureFile.MaxFeatureCount)
            throw new InputException($"{_source.Name}: expected tokens [B,M,L], as run --out writes them, found the " +
                $"shape [{string.Join(',', shape)}]");
    }

    private void CheckLength(NpyHeader header, long length)
    {
        UInt128 expected = header.Shape.Aggregate((UInt128)header.ElementBytes, (product, extent)
            => product * (UInt128)extent) + (UInt128)header.DataOffset;
        if (expected != (UInt128)length)
            throw new InputException($"{_source.Name}: expected a file of {expected} bytes by its header, found " +
                $"{length}");
    }

    private void ReadExactly(long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            int count = RandomAccess.Read(_npy!, destination, offset);
            if (count == 0)
                throw new InputException($"{_source.Name}: the file became shorter while it was read");
            offset += count;
            destination = destination[count..];
        }
    }
}
