using System.Globalization;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MsResampler.Vision;

/// <summary>The input of an encoder that takes images.</summary>
/// <param name="Name">The input.</param>
/// <param name="Type">Its element type.</param>
/// <param name="Layout">The order of its values.</param>
/// <param name="BatchSize">The number of images of every run; null if it is free.</param>
/// <param name="Size">The size of every image; null if it is free.</param>
internal sealed record EncoderInput(string Name, TensorElementType Type, PixelLayout Layout, int? BatchSize,
    ImageSize? Size)
{
    private const int ChannelCount = 3;

    /// <summary>Finds the input of a model.</summary>
    /// <exception cref="InvalidEncoderException">The model has other inputs, or this one takes no images.</exception>
    public static EncoderInput Find(IReadOnlyDictionary<string, NodeMetadata> inputs, VisionEncoderOptions options)
    {
        if (options.InputName is { } wanted && !inputs.ContainsKey(wanted))
        {
            throw new InvalidEncoderException($"input '{wanted}': expected one of {Describe(inputs)}, found no such " +
                "input");
        }

        if (inputs.Count != 1)
            throw new InvalidEncoderException($"expected one input, for images, found {inputs.Count}: " +
                $"{Describe(inputs)}; export the image encoder alone");
        (string name, NodeMetadata metadata) = inputs.Single();
        int[] shape = metadata.IsTensor ? metadata.Dimensions : [];
        if (metadata.ElementDataType is not (TensorElementType.Float or TensorElementType.Float16
            or TensorElementType.UInt8) || shape.Length != 4)
        {
            throw new InvalidEncoderException($"input '{name}': expected four axes of float32, float16 or uint8, " +
                $"found {Describe(metadata)}");
        }

        PixelLayout layout = options.InputLayout
            ?? (shape[1] == ChannelCount || (shape[1] < 1 && shape[3] < 1) ? PixelLayout.ChannelsFirst
                : PixelLayout.ChannelsLast);
        bool isFirst = layout == PixelLayout.ChannelsFirst;
        int channels = isFirst ? shape[1] : shape[3];
        if (channels > 0 && channels != ChannelCount)
        {
            throw new InvalidEncoderException($"input '{name}': expected an axis of {ChannelCount} channels, found " +
                Describe(metadata));
        }

        (int height, int width) = isFirst ? (shape[2], shape[3]) : (shape[1], shape[2]);
        return new EncoderInput(name, metadata.ElementDataType, layout, shape[0] > 0 ? shape[0] : null,
            height > 0 && width > 0 ? new ImageSize(height, width) : null);
    }

    /// <summary>The shape of a batch.</summary>
    public long[] ShapeOf(int count, ImageSize size) => Layout == PixelLayout.ChannelsFirst
        ? [count, ChannelCount, size.Height, size.Width] : [count, size.Height, size.Width, ChannelCount];

    /// <summary>The number of values of an image.</summary>
    public static int LengthOf(ImageSize size) => checked(ChannelCount * size.Height * size.Width);

    /// <summary>Lists inputs or outputs, such as "'pixel_values' float [?,3,224,224]".</summary>
    public static string Describe(IReadOnlyDictionary<string, NodeMetadata> values)
        => string.Join(", ", values.Select(value => $"'{value.Key}' {Describe(value.Value)}"));

    private static string Describe(NodeMetadata metadata) => !metadata.IsTensor ? "(no tensor)"
        : $"{metadata.ElementDataType.ToString().ToLowerInvariant()} [" + string.Join(',', metadata.Dimensions
            .Select(extent => extent > 0 ? extent.ToString(CultureInfo.InvariantCulture) : "?")) + "]";
}
