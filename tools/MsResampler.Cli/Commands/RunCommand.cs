using System.CommandLine;
using MsResampler.Cli.Photos;
using MsResampler.Safetensors;
using ImageDecoding = MsResampler.Vision.ImageDecoding;
using ImageSize = MsResampler.Vision.ImageSize;

namespace MsResampler.Cli.Commands;

/// <summary>The command <c>run</c>: computes the tokens of images or of features.</summary>
internal static class RunCommand
{
    public const int DefaultPatchSize = 14;
    public const int DefaultImageSide = 336;
    public const int MaxPatchSize = 1_024;

    public static Command Create(Terminal terminal, CancellationToken cancellationToken)
    {
        Option<string> model = Options.Model();
        Option<CheckpointLayout?> layout = Options.Layout();
        Option<string[]> features = new("--features")
        {
            Description = "Patch features of an encoder, as .safetensors or .npy; several files are one batch.",
            HelpName = "FILE...",
            AllowMultipleArgumentsPerToken = true,
            Arity = ArgumentArity.OneOrMore,
        };
        Option<PatchGrid?> grid = Options.Grid("With --features: the patch grid of every image.", isRequired: false);
        Option<bool> dropClassToken = new("--drop-class-token")
        {
            Description = "With --grid: skip the first row of every image, a class token.",
        };
        Option<string[]> images = new("--image")
        {
            Description = "Pictures; several files are one batch. Without --encoder their pixels are the features.",
            HelpName = "FILE...",
            AllowMultipleArgumentsPerToken = true,
            Arity = ArgumentArity.OneOrMore,
        };
        Option<int> patch = Options.Int("--patch", "With --image: the side of a patch in pixels.", DefaultPatchSize, 1,
            MaxPatchSize);
        Option<ImageSize> size = Options.Size(DefaultImageSide);
        Option<string?> temporalIds = Options.TemporalIdLists();
        Option<string> output = Options.Path("--out", "FILE|DIR",
            "The file for the tokens: .safetensors (tensor 'tokens'), .npy or .pt (PyTorch); [B,M,L] or " +
            "[groups,M,L]. With --images, any other name is a folder for shards and a sidecar.");
        Option<WeightType?> type = Options.ElementType("The type of the tokens in the file (default: f32).");
        PictureOptions pictures = new();
        PhotoOptions photos = new();
        EngineOptions engine = new(BackendChoice.Auto, BackendChoice.Cpu, BackendChoice.Cuda, BackendChoice.Reference);
        Option<string?> maps = Options.OptionalPath("--maps", "DIR",
            "Also write maps of the attention of each scope and of the gate to this folder, as PNG.");
        ExampleCommand command = new("run",
            "Compute the visual tokens of images or groups of frames, from features or pictures.")
        {
            Notes =
            [
                "--features: a safetensors file has a tensor 'features' [H,W,C] or [B,H,W,C], or tensors",
                "  'features.0', 'features.1', ... [H,W,C], whose grids may differ. A .npy file has an array",
                "  [H,W,C] or [B,H,W,C], float32 or float16 in C order. H x W is the patch grid, C the number",
                "  of channels. With --grid, shapes may also be [N,C] or [B,N,C] with N = H x W patches.",
                "  Some shapes can be read as [H,W,C] and as [B,N,C]. They need --grid: shapes with one row",
                "  (--grid 1xN), and shapes with as many columns as a square grid has patches (196, 256,",
                "  576, ...), with or without a class token.",
                "--image: a picture is rotated upright, drawn over --background, resized to --size (bicubic,",
                "  antialiased) and cut into patches of --patch pixels. The feature of a patch is its pixels,",
                "  (v/255 - 0.5)/0.5, in the order channel, row, column. The model's vision_hidden_size must",
                "  be 3 x patch x patch, 588 for 14.",
                "--encoder: a picture is prepared as --preprocess says, and the encoder's patch features go to the",
                "  model. With --images and a folder as --out, run writes shards (.safetensors) and a sidecar",
                "  (.jsonl) with a line for each photo. The same command continues after an interruption.",
                "--temporal-ids: the tokens of a group are computed from the patches of all its frames, and the",
                "  output has one entry for each group. The lists together must have one id for each image.",
                "  The ids have an effect only in models with positions in time. Their unit is that of the",
                "  model: for MiniCPM-V 4.5 a tenth of a second.",
            ],
            Examples =
            [
                "msresampler run --model model --image photo.jpg --out tokens.safetensors --maps maps",
                "msresampler run --model model --image a.png b.webp --size 448x336 --out tokens.npy",
                "msresampler run --model model --features features.npy --out tokens.safetensors --threads 4",
                "msresampler run --model model --features features.npy --out tokens.npy --precision int8",
                "msresampler run --model model --features clip.npy --grid 24x24 --drop-class-token --out tokens.npy",
                "msresampler run --model model --encoder vit.onnx --image photo.jpg --out tokens.pt --dtype bf16",
                "msresampler run --model model --encoder vit.onnx --images photos --out tokens --dtype f16",
                "msresampler run --model model --encoder vit.onnx --images list.txt --shard 3/8 --out tokens",
                "msresampler run --model model --features video.npy --temporal-ids '[[-1],[2,6,9]]' --out tokens.npy",
            ],
            Options =
            {
                model, layout, features, grid, dropClassToken, images, patch, size, temporalIds, output, type,
                engine.Backend, engine.Device, engine.Precision, engine.Int8Layers,
                engine.WeightStorage, engine.Threads, maps,
            },
        };
        foreach (Option option in photos.All.Concat(pictures.All))
            command.Options.Add(option);
        command.SetAction(parsed =>
        {
            string[] featureFiles = parsed.GetValue(features) ?? [];
            string[] imageFiles = parsed.GetValue(images) ?? [];
            string? photoSource = parsed.GetValue(photos.Photos);
            RequireOneInput(featureFiles.Length > 0, imageFiles.Length > 0, photoSource is not null);
            bool hasImages = imageFiles.Length > 0;
            photos.Check(parsed, hasImages, [patch, size, grid, dropClassToken, temporalIds, maps]);
            ImageDecoding decoding = pictures.Read(parsed, hasPictures: featureFiles.Length == 0);
            EncoderChoice? encoder = photos.ReadEncoder(parsed, decoding);
            foreach ((Option option, bool isForImages) in (ReadOnlySpan<(Option, bool)>)
                [(patch, true), (size, true), (grid, false), (dropClassToken, false)])
            {
                if (parsed.GetResult(option) is not { Implicit: false })
                    continue;
                if (isForImages != hasImages)
                    throw new InputException(
                        $"{option.Name} can only be used with {(isForImages ? "--image" : "--features")}");
                if (encoder is not null)
                    throw new InputException($"{option.Name} cannot be used with --encoder, which has its own size");
            }

            TensorType tokenType = WeightTypes.TensorTypeOf(parsed.GetValue(type) ?? WeightType.Float32);
            if (photoSource is not null)
            {
                return RunPhotos.Run(photos.Read(parsed, new PhotoRequest
                {
                    Model = parsed.GetRequiredValue(model),
                    Layout = parsed.GetValue(layout),
                    Encoder = encoder!,
                    Photos = new PhotoSource(photoSource),
                    Output = parsed.GetRequiredValue(output),
                    OutputType = tokenType,
                    Engine = engine.Read(parsed),
                }), terminal, cancellationToken);
            }

            FeatureLayout featureLayout = new(parsed.GetValue(grid), parsed.GetValue(dropClassToken));
            if (featureLayout is { DropClassToken: true, Grid: null })
                throw new InputException("--drop-class-token needs --grid, the grid of the patches after the token");
            EngineChoice engineChoice = engine.Read(parsed);
            RunImages.Run(new RunRequest
            {
                Model = parsed.GetRequiredValue(model),
                Layout = parsed.GetValue(layout),
                OpenSource = () => !hasImages ? FeatureFile.Open(featureFiles, featureLayout)
                    : encoder is null
                    ? ImageFeatures.Open(imageFiles, parsed.GetValue(patch), parsed.GetValue(size), decoding)
                    : EncoderFeatures.Open(encoder.Load(engineChoice.ThreadCount, terminal), imageFiles,
                        cancellationToken),
                TemporalIds = ReadTemporalIds(parsed.GetValue(temporalIds)),
                Output = parsed.GetRequiredValue(output),
                OutputType = tokenType,
                InputFiles = hasImages ? imageFiles : featureFiles,
                Engine = engineChoice,
                MapFolder = parsed.GetValue(maps),
            }, terminal, cancellationToken);
            return ExitCode.Done;
        });
        return command;
    }

    private static void RequireOneInput(bool hasFeatures, bool hasImages, bool hasPhotos)
    {
        (string Name, bool IsGiven)[] inputs =
            [("--features", hasFeatures), ("--image", hasImages), ("--images", hasPhotos)];
        string[] found = [.. inputs.Where(input => input.IsGiven).Select(input => input.Name)];
        if (found.Length != 1)
        {
            throw new InputException("expected one of --features, --image and --images, found " +
                $"{(found.Length == 0 ? "none" : string.Join(" and ", found))} (see msresampler run --help)");
        }
    }

    /// <summary>Reads the value of <c>--temporal-ids</c>.</summary>
    /// <exception cref="InputException">It is malformed.</exception>
    public static int[][]? ReadTemporalIds(string? text)
    {
        if (text is null)
            return null;
        return TemporalIds.TryParse(text, out int[][]? ids, out string? problem) ? ids
            : throw new InputException($"--temporal-ids: {problem}");
    }
}
