using System.Security.Cryptography;
using System.Text;

namespace MsResampler.Cli.Photos;

/// <summary>Fingerprints of models, so that a run is not resumed with another one.</summary>
internal static class Fingerprint
{
    private const int ShownBytes = 16;

    /// <summary>The fingerprint of a resampler: of its configuration and its weights, as <c>convert</c> would write
    /// them. Other weights in the same files, such as a language model, are not read.</summary>
    /// <param name="path">The model.</param>
    /// <param name="layout">Its layout; null to recognise it.</param>
    /// <param name="cancellationToken">Checked between blocks.</param>
    public static string OfModel(string path, CheckpointLayout? layout, CancellationToken cancellationToken)
    {
        using ResamplerModel model = ResamplerModel.Open(path, layout, cancellationToken);
        return Of(stream => ModelWriter.Write(stream, model, cancellationToken));
    }

    /// <summary>The fingerprint of an ONNX file and of the files with its external weights.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cancellationToken">Checked before each file.</param>
    public static string OfEncoder(string path, CancellationToken cancellationToken)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        return Of(stream =>
        {
            foreach (string name in ExternalData.LocationsIn(path).Order(StringComparer.Ordinal)
                .Select(location => Path.Combine(folder, location)).Prepend(path))
            {
                cancellationToken.ThrowIfCancellationRequested();
                using FileStream file = new(name, FileMode.Open, FileAccess.Read,
                    FileShare.ReadWrite | FileShare.Delete);
                stream.Write(Encoding.UTF8.GetBytes($"{file.Length}\n"));
                file.CopyTo(stream);
            }
        });
    }

    /// <summary>The start of the SHA-256 of what is written.</summary>
    private static string Of(Action<Stream> write)
    {
        using SHA256 hash = SHA256.Create();
        using (CryptoStream stream = new(Stream.Null, hash, CryptoStreamMode.Write))
            write(stream);
        return Convert.ToHexStringLower(hash.Hash.AsSpan(0, ShownBytes));
    }
}
