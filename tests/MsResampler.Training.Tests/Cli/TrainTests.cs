using System.Diagnostics;
using System.Globalization;
using MsResampler.Cli.Training;
using MsResampler.Files;
using MsResampler.Safetensors;

namespace MsResampler.Training.Tests.Cli;

/// <summary>The command <c>train</c>.</summary>
internal sealed class TrainTests : TrainFixture
{
    [Test]
    public void A_student_comes_closer_to_its_teacher()
    {
        CliRun run = Train("out", "--steps", "300", "--batch", "8", "--lr", "3e-3", "--learn-sigma").Succeeds();
        string[][] rows = [.. Rows("out").Skip(1).Select(row => row.Split(','))];
        double[] losses = [.. rows.Select(row => double.Parse(row[1], CultureInfo.InvariantCulture))];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(rows.Select(row => row[0]), Is.EqualTo(Enumerable.Range(1, 300).Select(step => $"{step}")));
            Assert.That(losses.TakeLast(20).Average(), Is.LessThan(losses.Take(20).Average() / 3));
            Assert.That(run.Output, Does.Contain("300 steps, loss ").And.Contain("Next: msresampler run --model "));
            Assert.That(Bytes("out", "training.png").AsSpan(1, 3).SequenceEqual("PNG"u8));
        }

        CliRun.Of("run", "--model", Folder.File("out"), "--features", Folder.File("features.safetensors"), "--out",
            Folder.File("student.npy"), "--backend", "cpu").Succeeds();
        Assert.That(CliRun.Of("inspect", Folder.File("out")).Succeeds().Output, Does.Contain("log_sigma"));
    }

    [Test]
    public void Only_the_parts_that_are_named_change()
    {
        Train("out", [.. ShortRun, "--train", "gate,sigma", "--learn-sigma"]).Succeeds();
        TrainableModel before = TrainableModel.Load(Folder.File("student")).WithLearnedSigmas();
        TrainableModel after = TrainableModel.Load(Folder.File("out"));
        Assert.That(after.Tensors.Where(tensor => !tensor.Values.SequenceEqual(before[tensor.Name].Values))
            .Select(tensor => tensor.Name), Is.EquivalentTo((string[])["gate.fc1.weight", "gate.fc1.bias",
                "gate.fc2.weight", "gate.fc2.bias", "scopes.1.log_sigma"]));
    }

    [Test]
    public void Threads_do_not_change_a_bit()
    {
        Train("one", [.. ShortRun, "--threads", "1"]).Succeeds();
        Train("two", [.. ShortRun, "--threads", "2"]).Succeeds();
        AssertSame("one", "two");
    }

    /// <summary>The average of the first steps is not the weights of the last one.</summary>
    [Test]
    public void With_an_average_the_model_is_the_averaged_one()
    {
        Train("plain", ShortRun).Succeeds();
        Train("averaged", [.. ShortRun, "--ema", "0.99"]).Succeeds();
        Assert.That(Rows("averaged"), Is.EqualTo(Rows("plain")));
        Assert.That(Bytes("averaged", "model.safetensors"), Is.Not.EqualTo(Bytes("plain", "model.safetensors")));
    }

    [Test]
    public void A_finished_training_has_nothing_to_do()
    {
        Train("out", ShortRun).Succeeds();
        byte[] checkpoint = Bytes("out", "training.safetensors");
        Assert.That(Train("out", [.. ShortRun, "--resume"]).Succeeds().Output, Does.Contain("all steps done"));
        Assert.That(Bytes("out", "training.safetensors"), Is.EqualTo(checkpoint));
    }

    [Test]
    public void A_training_is_not_replaced()
    {
        Train("out", ShortRun).Succeeds();
        byte[] checkpoint = Bytes("out", "training.safetensors");
        Train("out", ShortRun).FailsNaming("already holds a training", "--resume");
        Train("teacher", ShortRun).FailsNaming("already holds a model");
        Train("teacher", [.. ShortRun, "--resume"]).FailsNaming("already holds a model");
        Train("student", ShortRun).FailsNaming("config.json of the model");
        Assert.That(Bytes("out", "training.safetensors"), Is.EqualTo(checkpoint));
    }

    [Test]
    public void A_training_continues_with_the_same_options_only()
    {
        Train("out", ShortRun).Succeeds();
        Train("out", [.. ShortRun, "--resume", "--lr", "0.5", "--train", "gate"])
            .FailsNaming("learning rate 0.001, now 0.5", "--train all, now gate", "training.safetensors");
        CliRun.Of("run", "--model", Folder.File("student"), "--features", Folder.File("features.safetensors"), "--out",
            Folder.File("tokens.safetensors"), "--backend", "cpu").Succeeds();
        Train("out", [.. ShortRun, "--resume"]).FailsNaming("the features and tokens ");
    }

    /// <summary>One value of one image of 24, and one of its tokens, of 6 x 10 x 4 bytes.</summary>
    [TestCase("features.safetensors", "features.14", 100)]
    [TestCase("tokens.safetensors", "tokens", (14 * 240) + 100)]
    public void A_single_other_value_is_other_data(string file, string tensor, int position)
    {
        Train("out", ShortRun).Succeeds();
        byte[] bytes = File.ReadAllBytes(Folder.File(file));
        using (SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Folder.File(file)))
        {
            byte[] values = new byte[checkpoint.Find(tensor)!.ByteCount];
            checkpoint.ReadBytes(checkpoint.Find(tensor)!, 0, values);
            bytes[bytes.AsSpan().IndexOf(values) + position] ^= 1;
        }

        File.WriteAllBytes(Folder.File(file), bytes);
        Train("out", [.. ShortRun, "--resume"]).FailsNaming("the features and tokens ");
    }

    [Test]
    public void Files_that_are_not_of_a_training_are_not_replaced([Values("training.csv", "training.png",
        "model.safetensors")] string name, [Values] bool isResumed)
    {
        Directory.CreateDirectory(Folder.File("mine"));
        string path = Path.Combine(Folder.File("mine"), name);
        File.WriteAllText(path, "my,own,data\n");
        Train("mine", isResumed ? [.. ShortRun, "--resume"] : ShortRun).FailsNaming(name, "choose another folder");
        Assert.That(File.ReadAllText(path), Is.EqualTo("my,own,data\n"));
        Assert.That(Directory.EnumerateFileSystemEntries(Folder.File("mine")), Is.EqualTo((string[])[path]));
    }

    [Test]
    public void Another_process_in_the_folder_is_an_error()
    {
        Directory.CreateDirectory(Folder.File("out"));
        using (FileLock.TryCreate(Path.Combine(Folder.File("out"), "training.lock")))
        {
            Train("out", ShortRun).FailsNaming("out: another process trains");
            Train("out", [.. ShortRun, "--resume"]).FailsNaming("out: another process trains");
        }

        Train("out", ShortRun).Succeeds();
        Assert.That(File.Exists(Path.Combine(Folder.File("out"), "training.lock")), Is.False);
    }

    [Test]
    public void Missing_rows_are_named()
    {
        Train("out", ShortRun).Succeeds();
        string path = Path.Combine(Folder.File("out"), "training.csv");
        File.Delete(path);
        CliRun run = Train("out", [.. ShortRun, "--resume"]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Contain("rows of steps 1 to 60 are missing"));
        File.WriteAllText(path, "step;loss\n");
        Train("out", [.. ShortRun, "--resume"]).FailsNaming("training.csv: expected a file of a training");
    }

    [Test]
    public void A_damaged_checkpoint_is_an_error()
    {
        Train("out", ShortRun).Succeeds();
        string path = Path.Combine(Folder.File("out"), "training.safetensors");
        File.WriteAllBytes(path, Bytes("out", "training.safetensors")[..^1]);
        Train("out", [.. ShortRun, "--resume"]).FailsNaming("training.safetensors");
    }

    [TestCase("--train", "gates.*", "--train gates.*: expected all, gate, sigma", "inspect")]
    [TestCase("--train", "sigma", "add --learn-sigma")]
    [TestCase("--train", "", "--train: expected ")]
    [TestCase("--lr", "0", "--lr: expected a positive number")]
    [TestCase("--ema", "1", "--ema: expected a number of at least 0 and below 1")]
    [TestCase("--warmup", "60", "--warmup: expected fewer steps than --steps 60")]
    [TestCase("--threads", "0", "--threads: expected a whole number from 1")]
    [TestCase("--grid", "9x9", "with --grid 9x9 expected the shape")]
    public void An_option_that_does_not_fit_is_named(string option, string value, params string[] words)
    {
        Train("out", [.. ShortRun, option, value]).FailsNaming(words);
        Assert.That(Directory.Exists(Folder.File("out")), Is.False);
    }

    [Test]
    public void Tokens_that_do_not_fit_are_named()
    {
        foreach ((string name, string[] words) in (ReadOnlySpan<(string, string[])>)
            [
                ("features.safetensors", ["expected a tensor 'tokens'"]),
                ("missing.npy", ["there is no such file"]),
                ("few.npy", ["expected tokens of 24 images, found those of 2"]),
                ("narrow.npy", ["expected 6 tokens of 10 channels", "found 6 of 9"]),
                ("flat.npy", ["expected tokens [B,M,L]", "[24,60]"]),
                ("cut.npy", ["expected a file of "]),
                ("equal.npy", ["found equal ones"]),
                ("nan.npy", ["expected finite values, found NaN in token 1, channel 2"]),
            ])
        {
            Write("few.npy", [2, 6, 10]);
            Write("narrow.npy", [24, 6, 9]);
            Write("flat.npy", [24, 60]);
            Write("equal.npy", [24, 6, 10]);
            Write("nan.npy", [24, 6, 10], (12, float.NaN));
            File.WriteAllBytes(Folder.File("cut.npy"), File.ReadAllBytes(Folder.File("equal.npy"))[..^4]);
            CliRun.Of("train", "--model", Folder.File("student"), "--features", Folder.File("features.safetensors"),
                "--teacher", Folder.File(name), "--out", Folder.File("out")).FailsNaming([name, .. words]);
            Assert.That(Directory.Exists(Folder.File("out")), Is.False);
        }
    }

    [Test]
    public void A_run_that_diverges_stops_with_the_step()
        => Train("out", [.. ShortRun, "--lr", "1e30", "--warmup", "0"]).FailsNaming("step ", "lower the learning rate");

    /// <summary>The tokens of the first step overflow, and the command ends as after other values that are not
    /// finite.</summary>
    [Test]
    public void Features_whose_tokens_overflow_are_named_with_the_step()
    {
        SafetensorsWriter.Write(Folder.File("features.safetensors"), Enumerable.Range(0, ImageCount).Select(image =>
        {
            long[] shape = [3 + (image % 3), 4 + (image % 2), 12];
            float[] values = new float[shape[0] * shape[1] * shape[2]];
            for (int index = 0; index < values.Length; index++)
                values[index] = image == 14 && index % 2 == 0 ? 3e38f : 1;
            return new TensorToWrite($"features.{image}", TensorType.F32, shape, values);
        }));
        Train("out", "--steps", "5", "--batch", "24").FailsNaming("step 1, tokens: image 14 (5x4 patches): ",
            "outside the range of float32", "lower the learning rate");
    }

    /// <summary>A limit of .NET in place of a small machine. For inference, the batch would fit.</summary>
    [Test]
    public void A_batch_that_does_not_fit_the_memory_is_named()
    {
        CliRun.OfProcess([("DOTNET_GCHeapHardLimit", "0x10000000")], Arguments("out", "--batch", "16384"))
            .FailsNaming("--batch 16384: about ", "B of memory are needed; the machine has 268 MB");
        Assert.That(Directory.Exists(Folder.File("out")), Is.False);
    }

    /// <summary>Batches of all places in the order of an epoch are compared with the largest.</summary>
    [Test]
    public void The_largest_batch_is_that_of_the_largest_items([Values(1, 3, 4, 5, 7, 8, 10)] int batchSize,
        [Values(1, 100)] int stepCount)
    {
        long[] sizes = [3, 9, 4, 7];
        TrainingOptions options = new() { StepCount = stepCount, BatchSize = batchSize };
        int[] largest = BatchMemory.LargestBatch(options, sizes);
        long found = 0;
        for (ulong seed = 0; seed < 500; seed++)
        {
            BatchOrder order = new(sizes.Length, batchSize, seed);
            int[] items = new int[batchSize];
            for (int step = 1; step <= Math.Min(stepCount, 20); step++)
            {
                order.Fill(step, items);
                found = Math.Max(found, items.Sum(item => sizes[item]));
            }
        }

        Assert.That(largest, Has.Length.EqualTo(batchSize));
        Assert.That(largest.Sum(item => sizes[item]), Is.EqualTo(found));
    }

    /// <summary>Limits of the grids of 3x4 to 5x5 are 0.5 and 20 patches; the student starts outside of both.</summary>
    [Test]
    public void Sigmas_that_start_outside_the_limits_widen_them()
    {
        ResamplerConfig config = Configs.Of(Configs.Gaussian(0.3, 50), Configs.None);
        Directory.Delete(Folder.File("student"), recursive: true);
        RandomModel.Write(Folder.File("student"), config, System.Text.Encoding.UTF8.GetBytes(ConfigJson.Of(config)), 1);
        Train("few", "--steps", "1", "--lr", "1e-6", "--learn-sigma").Succeeds();
        // A step moves a logarithm by at most about the rate.
        Assert.That(Sigmas("few"), Is.EqualTo((float[])[0.3f, 50, 0.3f, 50, 0.3f, 50]).Within(1e-3).Percent);
        Train("many", "--steps", "60", "--lr", "0.5", "--warmup", "0", "--learn-sigma", "--train", "sigma").Succeeds();
        float[] sigmas = Sigmas("many");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(sigmas, Is.All.InRange(0.3f * (1 - 1e-5f), 50 * (1 + 1e-5f)));
            Assert.That(sigmas, Is.Not.EqualTo((float[])[0.3f, 50, 0.3f, 50, 0.3f, 50]).Within(1).Percent);
        }

        float[] Sigmas(string output) => [.. TrainableModel.Load(Folder.File(output))["scopes.0.log_sigma"].Values
            .ToArray().Select(MathF.Exp)];
    }

    /// <summary>Frames of different grids, with times that keys know.</summary>
    [Test]
    public void A_student_learns_from_groups_of_frames_and_continues_to_the_same_bits()
    {
        const string Ids = "[[0,1],[0,1,2,3],[5],[-1,-1,-1],[0,2,4],[7,8,9,10,11],[3],[1,2],[0,9,1]]";
        PositionEmbeddingConfig positions = new(PositionEmbeddingType.SinCos2D, PositionEmbeddingType.None,
            FrameEmbeddingType.SinCos1D);
        foreach ((string name, ResamplerConfig config, ulong seed) in (ReadOnlySpan<(string, ResamplerConfig, ulong)>)
            [("student", Configs.Of(Configs.Window(2, 2), Configs.Gaussian(1.5, 1.5), Configs.None), 1),
                ("teacher", Configs.Of(Configs.Gaussian(1, 1), Configs.None), 2)])
        {
            Directory.Delete(Folder.File(name), recursive: true);
            ResamplerConfig timed = config with { PositionEmbedding = positions };
            RandomModel.Write(Folder.File(name), timed, System.Text.Encoding.UTF8.GetBytes(ConfigJson.Of(timed)), seed);
        }

        CliRun.Of("run", "--model", Folder.File("teacher"), "--features", Folder.File("features.safetensors"), "--out",
            Folder.File("tokens.safetensors"), "--backend", "cpu", "--temporal-ids", Ids).Succeeds();
        string[] run = ["--steps", "200", "--batch", "4", "--lr", "3e-3", "--temporal-ids", Ids];
        Train("whole", run).Succeeds();
        double[] losses = [.. Rows("whole").Skip(1).Select(row => double.Parse(row.Split(',')[1],
            CultureInfo.InvariantCulture))];
        Assert.That(losses.TakeLast(20).Average(), Is.LessThan(losses.Take(20).Average() / 3));
        using (Process process = Start(Arguments("killed", [.. run, "--checkpoint-every", "5"])))
        {
            while (!process.HasExited && Step() < 20)
                Thread.Sleep(5);
            process.Kill();
            process.WaitForExit();
        }

        Train("killed", [.. run, "--resume"]).Succeeds();
        AssertSame("whole", "killed");
        string other = Ids.Replace("[0,1]", "[0,2]", StringComparison.Ordinal);
        Train("killed", [.. run.Select(word => word == Ids ? other : word), "--resume"])
            .FailsNaming("the features and tokens ");

        int Step()
        {
            string path = Path.Combine(Folder.File("killed"), "training.csv");
            return File.Exists(path) ? File.ReadAllBytes(path).Count(value => value == '\n') - 1 : 0;
        }
    }

    private void Write(string name, int[] shape, params (int Index, float Value)[] values)
    {
        string header = $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({string.Join(", ", shape)}), }}\n";
        float[] content = new float[shape.Aggregate(1, (count, extent) => count * extent)];
        foreach ((int index, float value) in values)
            content[index] = value;
        File.WriteAllBytes(Folder.File(name),
        [
            0x93, .. "NUMPY"u8, 1, 0, .. BitConverter.GetBytes((ushort)header.Length),
            .. System.Text.Encoding.ASCII.GetBytes(header),
            .. System.Runtime.InteropServices.MemoryMarshal.AsBytes(content.AsSpan()),
        ]);
    }
}
