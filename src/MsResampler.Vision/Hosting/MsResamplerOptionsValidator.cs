using Microsoft.Extensions.Options;

namespace MsResampler.Vision;

/// <summary>Checks options when a host starts, before a model is loaded.</summary>
internal sealed class MsResamplerOptionsValidator : IValidateOptions<MsResamplerOptions>
{
    public ValidateOptionsResult Validate(string? name, MsResamplerOptions options)
    {
        ValidateOptionsResultBuilder result = new();
        if (string.IsNullOrWhiteSpace(options.ModelPath))
            result.AddError("expected the folder or file of a model, found none", nameof(options.ModelPath));
        else if (!Path.Exists(options.ModelPath))
            result.AddError($"expected a model, found no file or folder {Path.GetFullPath(options.ModelPath)}",
                nameof(options.ModelPath));
        if (options.EncoderPath is { } encoder && !File.Exists(encoder))
        {
            result.AddError("expected the .onnx file of an encoder, or null for a service that gets patch features, " +
                $"found no file {(encoder.Length == 0 ? "''" : Path.GetFullPath(encoder))}",
                nameof(options.EncoderPath));
        }

        if (options.Tokenizer is not { Encoder: not null, Resampler: not null })
            result.AddError("expected options with an encoder and a resampler, found null", nameof(options.Tokenizer));
        else
            Check(options.Tokenizer, result);
        if (options.WarmUpGrids is null)
            result.AddError("expected a list, found null", nameof(options.WarmUpGrids));
        else if (options.WarmUpGrids.FirstOrDefault(grid => grid.Rows < 1 || grid.Columns < 1, new(1, 1)) is var grid
            && grid.Rows < 1 | grid.Columns < 1)
            result.AddError($"expected grids of at least 1x1 patches, found {grid}", nameof(options.WarmUpGrids));
        return result.Build();
    }

    private static void Check(VisualTokenizerOptions tokenizer, ValidateOptionsResultBuilder result)
    {
        AtLeast(tokenizer.BatchSize, 1, nameof(tokenizer.BatchSize));
        AtLeast(tokenizer.DecoderCount, 0, nameof(tokenizer.DecoderCount));
        AtLeast(tokenizer.MaxConcurrentCalls, 1, nameof(tokenizer.MaxConcurrentCalls));
        AtLeast(tokenizer.Encoder.ThreadCount, 0,
            $"{nameof(tokenizer.Encoder)}.{nameof(VisionEncoderOptions.ThreadCount)}");
        AtLeast(tokenizer.Resampler.ThreadCount, 0,
            $"{nameof(tokenizer.Resampler)}.{nameof(ResamplerOptions.ThreadCount)}");

        void AtLeast(int found, int least, string property)
        {
            if (found < least)
            {
                result.AddError($"expected at least {least}, found {found}",
                    $"{nameof(MsResamplerOptions.Tokenizer)}.{property}");
            }
        }
    }
}
