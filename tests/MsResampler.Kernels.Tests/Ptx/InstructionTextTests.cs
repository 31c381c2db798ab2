using System.Reflection;
using System.Text.RegularExpressions;
using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Tests.Compiler;

namespace MsResampler.Kernels.Tests.Ptx;

/// <summary>The text of every instruction according to the PTX ISA, and whether assemblers accept it.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class InstructionTextTests
{
    private const string F = @"%f\d+";
    private const string R = @"%r\d+";
    private const string F4 = @"\{%f\d+, %f\d+, %f\d+, %f\d+\}";
    private const string R4 = @"\{%r\d+, %r\d+, %r\d+, %r\d+\}";
    private const string R2 = @"\{%r\d+, %r\d+\}";
    private const string Global = @"\[%rd\d+\]";

    private static readonly (string Kernel, string Text)[] s_texts =
    [
        ("Rolled", $@"mov\.b32\t{R}, {R}"),
        ("Exp2", $@"ex2\.approx\.ftz\.f32\t{F}, {F}"),
        ("Log2", $@"lg2\.approx\.ftz\.f32\t{F}, {F}"),
        ("Reciprocal", $@"rcp\.approx\.ftz\.f32\t{F}, {F}"),
        ("ReciprocalSqrt", $@"rsqrt\.approx\.ftz\.f32\t{F}, {F}"),
        ("Fma", $@"fma\.rn\.f32\t{F}, {F}, {F}, {F}"),
        ("PackF16", $@"cvt\.rn\.f16x2\.f32\t{R}, {F}, {F}"),
        ("PackBF16", $@"cvt\.rn\.bf16x2\.f32\t{R}, {F}, {F}"),
        ("PackTF32", $@"cvt\.rna\.tf32\.f32\t{R}, {F}"),
        ("MmaF16", $@"mma\.sync\.aligned\.m16n8k16\.row\.col\.f32\.f16\.f16\.f32\t{F4}, {R4}, {R2}, {F4}"),
        ("MmaBF16", $@"mma\.sync\.aligned\.m16n8k16\.row\.col\.f32\.bf16\.bf16\.f32\t{F4}, {R4}, {R2}, {F4}"),
        ("MmaTF32", $@"mma\.sync\.aligned\.m16n8k8\.row\.col\.f32\.tf32\.tf32\.f32\t{F4}, {R4}, {R2}, {F4}"),
        ("LoadMatrixX1", $@"ldmatrix\.sync\.aligned\.m8n8\.x1\.shared\.b16\t\{{{R}\}}, \[{R}\+64\]"),
        ("LoadMatrixX2", $@"ldmatrix\.sync\.aligned\.m8n8\.x2\.shared\.b16\t{R2}, \[{R}\+64\]"),
        ("LoadMatrixX4", $@"ldmatrix\.sync\.aligned\.m8n8\.x4\.shared\.b16\t{R4}, \[{R}\+64\]"),
        ("LoadMatrixX1Transposed", $@"ldmatrix\.sync\.aligned\.m8n8\.x1\.trans\.shared\.b16\t\{{{R}\}}, \[{R}\+64\]"),
        ("LoadMatrixX2Transposed", $@"ldmatrix\.sync\.aligned\.m8n8\.x2\.trans\.shared\.b16\t{R2}, \[{R}\+64\]"),
        ("LoadMatrixX4Transposed", $@"ldmatrix\.sync\.aligned\.m8n8\.x4\.trans\.shared\.b16\t{R4}, \[{R}\+64\]"),
        ("AsyncCopyGroups", $@"cp\.async\.cg\.shared\.global\t\[{R}\+512\], {Global}, 16"),
        ("AsyncCopyOrZero", $@"cp\.async\.cg\.shared\.global\t\[{R}\], {Global}, 16, {R}"),
        ("AsyncCopyGroups", @"cp\.async\.commit_group"),
        ("AsyncCopyGroups", @"cp\.async\.wait_group\t1"),
        ("SharedFloat4", $@"cvt\.u32\.u64\t{R}, %rd\d+"),
        ("SharedFloat", $@"ld\.shared\.f32\t{F}, \[{R}\+64\]"),
        ("SharedFloat", $@"st\.shared\.f32\t\[{R}\+64\], {F}"),
        ("SharedFloat4", $@"ld\.shared\.v4\.f32\t{F4}, \[{R}\+64\]"),
        ("SharedUInt4", $@"ld\.shared\.v4\.b32\t{R4}, \[{R}\+64\]"),
        ("SharedFloat4", $@"st\.shared\.v4\.f32\t\[{R}\+64\], {F4}"),
        ("SharedUInt4", $@"st\.shared\.v4\.b32\t\[{R}\+64\], {R4}"),
        ("GlobalFloat4", $@"ld\.global\.v4\.f32\t{F4}, {Global}"),
        ("GlobalUInt4", $@"ld\.global\.v4\.b32\t{R4}, {Global}"),
        ("GlobalConstantFloat4", $@"ld\.global\.nc\.v4\.f32\t{F4}, {Global}"),
        ("GlobalConstantUInt4", $@"ld\.global\.nc\.v4\.b32\t{R4}, {Global}"),
        ("GlobalFloat4", $@"st\.global\.v4\.f32\t{Global}, {F4}"),
        ("GlobalUInt4", $@"st\.global\.v4\.b32\t{Global}, {R4}"),
    ];

    private static readonly KernelCompiler s_compiler = new();

    private static IEnumerable<TestCaseData> Texts =>
        s_texts.Select(text => new TestCaseData(text.Kernel, text.Text).SetArgDisplayNames(text.Kernel,
            text.Text.Split(@"\t")[0].Replace(@"\", "")));

    [TestCaseSource(nameof(Texts))]
    public void The_text_of_an_instruction_follows_the_ISA(string kernel, string text) =>
        Assert.That(Compile(kernel, 80).Ptx, Does.Match($@"\n\t{text};\n"));

    [Test]
    public void Every_instruction_is_in_the_table()
    {
        // The two copies, with and without zero-filling, have the same opcode.
        string[] opcodes = [.. PtxInstructions.Methods.Select(Template).Distinct()];

        Assert.That(s_texts.Select(text => text.Text.Split(@"\t")[0].Replace(@"\", "")).Distinct(),
            Is.EquivalentTo(opcodes));

        static string Template(MethodInfo method) =>
            method.GetCustomAttribute<PtxInstructionAttribute>()!.Template.Split(' ')[0];
    }

    [Test]
    public void An_instruction_is_rejected_below_its_architecture_only()
    {
        foreach ((string kernel, _) in s_texts)
        {
            int least = kernel switch
            {
                _ when kernel.StartsWith("LoadMatrix", StringComparison.Ordinal) => 75,
                _ when Regex.IsMatch(kernel, "^(Mma|Pack|AsyncCopy)") => 80,
                _ => 60,
            };
            Assert.That(Compile(kernel, least).Ptx, Is.Not.Empty);
            if (least > 60)
            {
                Assert.That(() => Compile(kernel, least == 75 ? 70 : 75), Throws.TypeOf<NotSupportedException>()
                    .With.Message.Contains($"needs sm_{least} or newer"));
            }
        }
    }

    [TestCase(80)]
    [TestCase(86)]
    [TestCase(89)]
    [TestCase(90)]
    public void The_assembler_accepts_every_instruction(int architecture)
    {
        foreach (Ptxas ptxas in Ptxas.OrSkip())
        {
            foreach (string kernel in s_texts.Select(text => text.Kernel).Distinct())
            {
                PtxasReport report = ptxas.Assemble(Compile(kernel, architecture), architecture);

                Assert.That((report.StackBytes, report.SpillBytes), Is.EqualTo((0, 0)), $"{kernel}, {ptxas}");
            }
        }
    }

    [TestCase("Exp2", "MUFU.EX2")]
    [TestCase("Log2", "MUFU.LG2")]
    [TestCase("Reciprocal", "MUFU.RCP")]
    [TestCase("ReciprocalSqrt", "MUFU.RSQ")]
    [TestCase("Fma", "FFMA")]
    [TestCase("PackF16", "F2FP.PACK_AB")]
    [TestCase("PackBF16", "F2FP.BF16.PACK_AB")]
    [TestCase("MmaF16", "HMMA.16816.F32")]
    [TestCase("MmaBF16", "HMMA.16816.F32.BF16")]
    [TestCase("MmaTF32", "HMMA.1688.F32.TF32")]
    [TestCase("LoadMatrixX4", "LDSM.16.M88.4")]
    [TestCase("LoadMatrixX4Transposed", "LDSM.16.MT88.4")]
    [TestCase("AsyncCopyOrZero", "LDGSTS.E.BYPASS.128")]
    [TestCase("SharedFloat4", "LDS.128")]
    [TestCase("GlobalFloat4", "LDG.E.128")]
    [TestCase("GlobalConstantFloat4", "LDG.E.128.CONSTANT")]
    public void An_instruction_becomes_one_machine_instruction(string kernel, string opcode)
    {
        foreach (Ptxas ptxas in Ptxas.OrSkip())
            Assert.That(ptxas.Disassemble(Compile(kernel, 80), 80).Count(opcode), Is.EqualTo(1), $"{ptxas}");
    }

    private static CompiledKernel Compile(string kernel, int architecture) =>
        s_compiler.Compile(InstructionKernels.Method(kernel), kernel, architecture);
}
