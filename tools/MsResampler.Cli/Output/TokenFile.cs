using System.Globalization;
using System.IO.Hashing;
using System.Text;
using MsResampler.Safetensors;

namespace MsResampler.Cli.Output;

/// <summary>Writes tokens [B, M, L] as the tensor <c>tokens</c> of a <c>.safetensors</c> file, as a <c>.npy</c> file or
/// as a <c>.pt</c> file of PyTorch. Images are appended one after another, so that only some of them are in
/// memory.</summary>
internal sealed class TokenFile : IDisposable
{
    private const string Torch = ".PT";
    private const string Safetensors = ".SAFETENSORS";
    private const string Npy = ".NPY";

    private readonly OutputFile _file;
    private readonly TokenEncoder _encoder;
    private readonly TorchFile? _torch;
    private readonly Crc32 _checksum = new();
    private readonly int _imageElementCount;
    private int _imageCount;

    private TokenFile(OutputFile file, TensorType type, int imageElementCount, TorchFile? torch)
        => (_file, _encoder, _imageElementCount, _torch) = (file, new TokenEncoder(type), imageElementCount, torch);

    /// <summary>Whether the extension of a path is one of those of a file of tokens.</summary>
    public static bool IsName(string path) => Extension(path) is Torch or Safetensors or Npy;

    /// <summary>Checks the extension of a file name.</summary>
    /// <exception cref="InputException">The extension is unknown, or the format does not have the type.</exception>
    public static void CheckName(string path, TensorType type)
    {
        if (!IsName(path))
            throw new InputException($"{path}: expected a name that ends in .safetensors, .npy or .pt");
        if (Extension(path) == Npy && type == TensorType.BF16)
            throw new InputException($"{path}: --dtype bf16 is not a type of .npy; use f16 or f32, or write " +
                ".safetensors or .pt");
    }

    /// <summary>Creates a file for a known number of images.</summary>
    /// <exception cref="InputException"><inheritdoc cref="CheckName" path="/exception"/> Or the file is an
    /// input.</exception>
    public static TokenFile Create(string path, TensorType type, int imageCount, int queryCount, int tokenSize,
        Inputs inputs)
    {
        CheckName(path, type);
        long[] shape = [imageCount, queryCount, tokenSize];
        string extension = Extension(path);
        TorchFile? torch = extension == Torch ? new TorchFile(type, shape) : null;
        byte[] header = torch?.Start ?? (extension == Npy ? NpyHeader(type, shape) : SafetensorsHeader(type, shape));
        OutputFile file = new(path, inputs);
        try
        {
            file.Stream.Write(header);
            return new TokenFile(file, type, checked(queryCount * tokenSize), torch);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Appends the tokens of one or more images.</summary>
    /// <param name="tokens">[images, M, L].</param>
    /// <param name="nameOf">Names an image by its place in the file, for messages.</param>
    /// <exception cref="InputException">A token is outside the range of the type.</exception>
    public void Append(ReadOnlySpan<float> tokens, Func<int, string> nameOf)
    {
        for (; !tokens.IsEmpty; tokens = tokens[_imageElementCount..])
        {
            ReadOnlySpan<byte> bytes;
            try
            {
                bytes = _encoder.Encode(tokens[.._imageElementCount]);
            }
            catch (TokenRangeException exception)
            {
                throw new InputException($"{nameOf(_imageCount)}: {exception.Message}", exception);
            }

            _file.Stream.Write(bytes);
            if (_torch is not null)
                _checksum.Append(bytes);
            _imageCount++;
        }
    }

    /// <summary>Gives the file its name.</summary>
    public void Commit(CancellationToken cancellationToken)
    {
        if (_torch is not null)
        {
            uint checksum = _checksum.GetCurrentHashAsUInt32();
            _file.Stream.Write(_torch.End(checksum));
            _file.Replace(_torch.ChecksumOffset, TorchFile.Checksum(checksum));
        }

        _file.Commit(cancellationToken);
    }

    /// <summary>Removes the file unless it was committed.</summary>
    public void Dispose() => _file.Dispose();

    private static string Extension(string path) => Path.GetExtension(path).ToUpperInvariant();

    private static byte[] SafetensorsHeader(TensorType type, long[] shape)
    {
        long bytes = shape[0] * shape[1] * shape[2] * (TensorTypes.BitsOf(type) / 8);
        string json = string.Create(CultureInfo.InvariantCulture, $"{{\"tokens\":{{\"dtype\":\"{type}\"," +
            $"\"shape\":[{string.Join(',', shape)}],\"data_offsets\":[0,{bytes}]}}}}");
        string padded = json.PadRight((json.Length + 7) / 8 * 8);
        return [.. BitConverter.GetBytes((ulong)padded.Length), .. Encoding.ASCII.GetBytes(padded)];
    }

    private static byte[] NpyHeader(TensorType type, long[] shape)
    {
        const int PrefixBytes = 10;
        const int Alignment = 64;
        string dictionary = $"{{'descr': '{(type == TensorType.F16 ? "<f2" : "<f4")}', 'fortran_order': False, " +
            $"'shape': ({string.Join(", ", shape)}), }}";
        int total = (PrefixBytes + dictionary.Length + 1 + Alignment - 1) / Alignment * Alignment;
        string padded = dictionary.PadRight(total - PrefixBytes - 1) + "\n";
        return [0x93, .. "NUMPY"u8, 1, 0, .. BitConverter.GetBytes((ushort)padded.Length),
            .. Encoding.ASCII.GetBytes(padded)];
    }
}
