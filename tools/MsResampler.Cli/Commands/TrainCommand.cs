using System.CommandLine;
using MsResampler.Training;
using ImageSize = MsResampler.Vision.ImageSize;

namespace MsResampler.Cli.Commands;

/// <summary>The command <c>train</c>: fits the tokens of a model to those of a teacher.</summary>
internal static class TrainCommand
{
    private const int MaxStepCount = 100_000_000;
    private const int MaxBatchSize = 65_536;
    private const int DefaultStepCount = 1_000;
    private const int DefaultBatchSize = 8;
    private const int DefaultCheckpointSteps = 100;

    // A twentieth of the steps, the usual share, in which the second moments of AdamW settle.
    private const int WarmupShare = 20;

    public static Command Create(Terminal terminal, CancellationToken cancellationToken)
    {
        Option<string> model = Options.Model();
        Option<CheckpointLayout?> layout = Options.Layout();
        Option<string[]> features = new("--features")
        {
            Description = "Patch features of an encoder, as .safetensors or .npy, as for run.",
            HelpName = "FILE...",
            AllowMultipleArgumentsPerToken = true,
            Arity = ArgumentArity.OneOrMore,
        };
        Option<string[]> images = new("--image")
        {
            Description = "Pictures whose pixels are the features, in place of --features.",
            HelpName = "FILE...",
            AllowMultipleArgumentsPerToken = true,
            Arity = ArgumentArity.OneOrMore,
        };
        Option<int> patch = Options.Int("--patch", "With --image: the side of a patch in pixels.",
            RunCommand.DefaultPatchSize, 1, RunCommand.MaxPatchSize);
        Option<ImageSize> size = Options.Size(RunCommand.DefaultImageSide);
        Option<PatchGrid?> grid = Options.Grid("The patch grid of every image, if the shapes do not contain it.",
            isRequired: false);
        Option<bool> dropClassToken = new("--drop-class-token")
        {
            Description = "With --grid: skip the first row of every image, a class token.",
        };
        Option<string?> temporalIds = Options.TemporalIdLists();
        Option<string> teacher = Options.Path("--teacher", "FILE", "The tokens to fit, one entry for each image or " +
            "group: .safetensors or .npy, as run --out writes them.");
        Option<string> output = Options.Path("--out", "DIR", "The folder for the model, the checkpoint of the " +
            "training, training.csv and training.png; it is created if it does not exist.");
        Option<int> steps = Options.Int("--steps", "The number of steps.", DefaultStepCount, 1, MaxStepCount);
        Option<int> batch = Options.Int("--batch", "The number of images in a step.", DefaultBatchSize, 1,
            MaxBatchSize);
        Option<double?> rate = Options.Positive("--lr", "RATE", "The largest learning rate of AdamW.", 1e-3);
        Option<int?> warmup = Options.OptionalInt("--warmup", "The steps in which the learning rate rises " +
            "(default: a twentieth of --steps); after them it falls along a cosine to 0.", 0, MaxStepCount);
        Option<double> decay = Options.Fraction("--decay", "The weight decay of the matrices.", 0.01);
        Option<double?> clip = Options.Positive("--clip", "NORM", "The largest norm of the gradient.", 1);
        Option<double> average = Options.Fraction("--ema", "The decay of the moving average of the weights, such as " +
            "0.999; with it, --out holds the averaged model. 0 is none.", 0);
        Option<ulong> seed = Options.Seed("Seed of the order of images.");
        Option<TrainedParts> trained = new("--train")
        {
            Description = $"What is trained: {TrainedParts.Names}, or patterns of names of tensors such as " +
                "'scopes.*.out_proj.*', separated by commas. Everything else is frozen.",
            HelpName = "PARTS",
            DefaultValueFactory = _ => TrainedParts.All,
            CustomParser = result => TrainedParts.Parse(Options.Text(result)) is { Patterns.Count: > 0 } parts
                ? parts : Options.Fail<TrainedParts>(result, "--train", $"{TrainedParts.Names} or patterns of names"),
        };
        Option<bool> learnSigma = new("--learn-sigma")
        {
            Description = "Learn the sigmas of Gaussian scopes, one for each head and axis, from the configured ones.",
        };
        Option<int> every = Options.Int("--checkpoint-every", "Write a checkpoint after this number of steps.",
            DefaultCheckpointSteps, 1, MaxStepCount);
        Option<bool> resume = new("--resume")
        {
            Description = "Continue the training in --out, if there is one, with the same options.",
        };
        Option<int?> threads = Options.Threads();
        ExampleCommand command = new("train", "Train a model to give the tokens of a teacher (distillation).")
        {
            Notes =
            [
                "The loss is the mean squared difference from the teacher's tokens, divided by their variance: 1 is",
                "that of the best constant token, 0 that of the teacher.",
                "The tokens of a teacher come from run --model TEACHER --features FILE --out TOKENS; the student has",
                "the same number of queries and the same output_size. A student for a model with one scope is what",
                "convert --scopes writes: train its gate and sigmas alone (--train gate,sigma --learn-sigma), or all.",
                "--out is a model at any time: config.json and model.safetensors. training.safetensors is the",
                "checkpoint. After any end (Ctrl-C, kill, loss of power) the same command with --resume continues,",
                "and the result has the same bits as without the interruption. --threads may differ.",
            ],
            Examples =
            [
                "msresampler train --model student --features features.npy --teacher tokens.npy --out trained",
                "msresampler train --model student --features features.npy --teacher tokens.npy --out trained --resume",
                "msresampler train --model multi --features f.npy --teacher t.npy --out m --train gate,sigma " +
                    "--learn-sigma",
                "msresampler train --model multi --features f.npy --teacher t.npy --out m --steps 20000 --batch 32 " +
                    "--lr 3e-4 --ema 0.999",
            ],
            Options =
            {
                model, layout, features, grid, dropClassToken, images, patch, size, temporalIds, teacher, output,
                steps, batch, rate, warmup, decay, clip, average, seed, trained, learnSigma, every, resume, threads,
            },
        };
        command.SetAction(parsed =>
        {
            string[] featureFiles = parsed.GetValue(features) ?? [];
            string[] imageFiles = parsed.GetValue(images) ?? [];
            bool hasImages = imageFiles.Length > 0;
            if (hasImages == featureFiles.Length > 0)
                throw new InputException($"expected one of --features and --image, found " +
                    $"{(hasImages ? "both" : "none")} (see msresampler train --help)");
            foreach ((Option option, bool isForImages) in (ReadOnlySpan<(Option, bool)>)
                [(patch, true), (size, true), (grid, false), (dropClassToken, false)])
            {
                if (isForImages != hasImages && parsed.GetResult(option) is { Implicit: false })
                    throw new InputException(
                        $"{option.Name} can only be used with {(isForImages ? "--image" : "--features")}");
            }

            FeatureLayout featureLayout = new(parsed.GetValue(grid), parsed.GetValue(dropClassToken));
            if (featureLayout is { DropClassToken: true, Grid: null })
                throw new InputException("--drop-class-token needs --grid, the grid of the patches after the token");
            int stepCount = parsed.GetValue(steps);
            int warmupSteps = parsed.GetValue(warmup) ?? stepCount / WarmupShare;
            if (warmupSteps >= stepCount)
                throw new InputException($"{warmup.Name}: expected fewer steps than --steps {stepCount}, found " +
                    $"{warmupSteps}");
            double averageDecay = parsed.GetValue(average);
            TrainRun.Run(new TrainRequest
            {
                Model = parsed.GetRequiredValue(model),
                Layout = parsed.GetValue(layout),
                InputFiles = hasImages ? imageFiles : featureFiles,
                InputOption = hasImages ? images.Name : features.Name,
                LayoutOptions = string.Concat(((Option[])[patch, size, grid, dropClassToken])
                    .Select(option => AsGiven(parsed, option))),
                OpenSource = () => hasImages
                    ? ImageFeatures.Open(imageFiles, parsed.GetValue(patch), parsed.GetValue(size))
                    : FeatureFile.Open(featureFiles, featureLayout),
                TemporalIds = RunCommand.ReadTemporalIds(parsed.GetValue(temporalIds)),
                Teacher = parsed.GetRequiredValue(teacher),
                Output = parsed.GetRequiredValue(output),
                Options = new TrainingOptions
                {
                    StepCount = stepCount,
                    BatchSize = parsed.GetValue(batch),
                    Seed = parsed.GetValue(seed),
                    LearningRate = parsed.GetValue(rate)!.Value,
                    WarmupSteps = warmupSteps,
                    GradientLimit = parsed.GetValue(clip)!.Value,
                    AverageDecay = averageDecay > 0 ? averageDecay : null,
                    Optimiser = new AdamWOptions
                    {
                        WeightDecay = parsed.GetValue(decay),
                        ThreadCount = parsed.GetValue(threads) ?? 0,
                    },
                },
                Trained = parsed.GetRequiredValue(trained),
                LearnSigma = parsed.GetValue(learnSigma),
                CheckpointEvery = parsed.GetValue(every),
                Resume = parsed.GetValue(resume),
                ThreadCount = parsed.GetValue(threads),
            }, terminal, cancellationToken);
            return ExitCode.Done;
        });
        return command;
    }

    // An option and its values, after a space; nothing if it was not given.
    private static string AsGiven(ParseResult parsed, Option option) =>
        parsed.GetResult(option) is { Implicit: false } result
            ? string.Join(' ', ["", option.Name, .. result.Tokens.Select(token => token.Value)]) : "";
}
