using System.Reflection;
using MsResampler.Cli;
using MsResampler.Cli.Ptx;
using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Ptx.Writing;
using MsResampler.Kernels.Tests.Compiler;

namespace MsResampler.Kernels.Tests.Ptx;

/// <summary>The text of every instruction of the writer, and which targets have it.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class PtxWriterTests
{
    private const BindingFlags Declared
        = BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    /// <summary>The oldest target of instructions that some supported target lacks: PTX ISA, the target notes of each
    /// instruction.</summary>
    private static readonly (string Start, int Major, int Minor, string Architecture)[] s_needs =
    [
        ("max.NaN", 7, 0, "sm_80 or newer"),
        ("cvt.rn.f16x2", 7, 0, "sm_80 or newer"),
        ("cvt.rn.bf16x2", 7, 0, "sm_80 or newer"),
        ("cp.async", 7, 0, "sm_80 or newer"),
        ("griddepcontrol", 7, 8, "sm_90 or newer"),
        ("fence.proxy.async", 8, 0, "sm_90 or newer"),
        ("wgmma", 8, 0, "sm_90a"),
    ];

    private static readonly PtxTarget[] s_targets =
    [
        new(new PtxVersion(6, 5), 75), new(new PtxVersion(6, 5), 80), new(new PtxVersion(7, 0), 75),
        new(new PtxVersion(7, 0), 80), new(new PtxVersion(7, 7), 90), new(new PtxVersion(7, 8), 80),
        new(new PtxVersion(7, 8), 90), new(new PtxVersion(8, 0), 80), new(new PtxVersion(8, 0), 90),
        new(new PtxVersion(8, 6), 100), new(new PtxVersion(8, 6), 100, IsSpecific: true), PtxTarget.Hopper,
        new(new PtxVersion(8, 4), 90, IsSpecific: true),
    ];

    private static IReadOnlyList<PtxWriterCase> Cases => PtxWriterCase.All;

    [TestCaseSource(nameof(Cases))]
    public void The_text_of_an_instruction_follows_the_ISA(object member)
    {
        var expected = (PtxWriterCase)member;

        Assert.That(WrittenText.Instructions(expected.Write), Is.EqualTo(expected.Lines));
    }

    [Test]
    public void Every_member_is_in_the_table()
    {
        HashSet<MethodBase> called = [.. Cases.SelectMany(member => Calls(member.Write.Method))];
        Type[] values = [typeof(U32), typeof(U64), typeof(F32), typeof(Predicate)];
        IEnumerable<MethodInfo> members = new[] { typeof(PtxWriter), typeof(PtxView), typeof(PtxStructure) }
            .SelectMany(type => type.GetMethods(Declared))
            .Concat(values.SelectMany(type => type.GetMethods(Declared)).Where(method => method.Name == "IsNot"
                || (method.IsSpecialName && method.Name.StartsWith("op_", StringComparison.Ordinal))))
            .Where(method => method.Name is not (nameof(PtxWriter.Finish) or "op_Equality" or "op_Inequality"
                or "get_Target" or "get_Name" or "get_ElementBytes"));

        Assert.That(members.Where(method => !called.Contains(method)), Is.Empty);
    }

    [Test]
    public void The_assembler_accepts_every_instruction()
    {
        CompiledKernel kernel = WrittenText.Compile(writer =>
        {
            PtxWriterCase.Declare(writer);
            foreach (PtxWriterCase member in Cases)
                member.Write(writer);
        });
        foreach (Ptxas ptxas in Ptxas.OrSkip("sm_90a"))
            Assert.That(ptxas.Assemble(kernel, "sm_90a").Registers, Is.Positive, $"{ptxas}");
    }

    [TestCaseSource(nameof(Cases))]
    public void An_instruction_is_refused_where_the_target_lacks_it(object member)
    {
        var expected = (PtxWriterCase)member;
        foreach (PtxTarget target in s_targets)
        {
            PtxWriter writer = WrittenText.Writer(target, "Example");
            string? opcode = null;
            (string Start, int Major, int Minor, string Architecture) need = default;
            foreach (string word in expected.Lines.SelectMany(line => line.TrimEnd(';').Split(' ')))
            {
                (string, int, int, string) found = Array.Find(s_needs,
                    candidate => word.StartsWith(candidate.Start, StringComparison.Ordinal));
                if (opcode is null && found.Item1 is not null)
                    (opcode, need) = (word, found);
            }

            if (opcode is null || IsMet(need, target))
            {
                Assert.That(() => expected.Write(writer), Throws.Nothing, $"{target}, PTX {target.Version}");
                continue;
            }

            Assert.That(() => expected.Write(writer), Throws.TypeOf<NotSupportedException>().With.Message.EqualTo(
                $"Example: {opcode} needs PTX {need.Major}.{need.Minor} and {need.Architecture}; the text is PTX " +
                $"{target.Version} for {target}. Choose kernels for a device by KernelVariant.RunsOn."));
        }
    }

    /// <summary>The assembler accepts the instruction for the oldest target, and refuses it for the one
    /// before.</summary>
    [TestCase("max.NaN.f32 %f10, %f10, %f11", "7.0", "sm_80", "6.5", "sm_75")]
    [TestCase("cvt.rn.f16x2.f32 %r0, %f11, %f10", "7.0", "sm_80", "6.5", "sm_75")]
    [TestCase("cvt.rn.bf16x2.f32 %r0, %f11, %f10", "7.0", "sm_80", "6.5", "sm_75")]
    [TestCase("cp.async.cg.shared.global [%r10+32], [%rd10], 16, %r11", "7.0", "sm_80", "6.5", "sm_75")]
    [TestCase("griddepcontrol.wait", "7.8", "sm_90", "7.7", "sm_80")]
    [TestCase("fence.proxy.async.shared::cta", "8.0", "sm_90", "7.8", "sm_80")]
    [TestCase("wgmma.fence.sync.aligned", "8.0", "sm_90a", null, "sm_90")]
    public void The_assembler_agrees_about_the_oldest_target(string instruction, string version, string architecture,
        string? olderVersion, string olderArchitecture)
    {
        Ptxas ptxas = Ptxas.OrSkip("sm_90a")[0];

        Assert.That(() => Assemble(version, architecture), Throws.Nothing);
        Assert.That(() => Assemble(version, olderArchitecture), Throws.TypeOf<InputException>());
        if (olderVersion is not null)
            Assert.That(() => Assemble(olderVersion, architecture), Throws.TypeOf<InputException>());

        PtxasReport Assemble(string ptxVersion, string target) => ptxas.Assemble(new CompiledKernel("one", "one",
            $".version {ptxVersion}\n.target {target}\n.address_size 64\n.visible .entry one()\n{{\n" +
            $"\t.reg .b32 %r<20>;\n\t.reg .b64 %rd<20>;\n\t.reg .f32 %f<20>;\n\t{instruction};\n\tret;\n}}\n", [],
            ParameterBytes: 0), target);
    }

    [Test]
    public void A_text_has_header_parameters_bounds_and_registers()
    {
        PtxWriter writer = new(new PtxTarget(new PtxVersion(7, 8), 90), "Example", threadCount: 96, blockCount: 2);
        PtxView view = writer.View("values", elementBytes: 16);
        U32 thread = writer.Thread + writer.Integer("first") + writer.DynamicShared(64) + writer.DynamicShared(256);
        writer.StoreGlobal(view.Address, writer.SelectFloat(thread < 7, writer.FloatVariable(1), 2));

        Assert.That(writer.Finish(), Is.EqualTo("""
            .version 7.8
            .target sm_90
            .address_size 64

            .extern .shared .align 256 .b8 shared_memory[];

            .visible .entry Example(
            	.param .align 8 .b8 values[16],
            	.param .b32 first
            )
            .maxntid 96, 1, 1
            .minnctapersm 2
            {
            	.reg .b32 %r<7>;
            	.reg .b64 %rd<1>;
            	.reg .f32 %f<2>;
            	.reg .pred %p<1>;

            	ld.param.u64 %rd0, [values];
            	mov.u32 %r0, %tid.x;
            	ld.param.u32 %r1, [first+0];
            	add.u32 %r2, %r0, %r1;
            	mov.u32 %r3, shared_memory;
            	add.u32 %r4, %r2, %r3;
            	mov.u32 %r5, shared_memory;
            	add.u32 %r6, %r4, %r5;
            	setp.lt.u32 %p0, %r6, 7;
            	mov.f32 %f0, 0f3F800000;
            	selp.f32 %f1, %f0, 0f40000000, %p0;
            	st.global.f32 [%rd0], %f1;
            	ret;
            }

            """.ReplaceLineEndings("\n")));
        Assert.That((writer.Name, writer.Target), Is.EqualTo(("Example", new PtxTarget(new PtxVersion(7, 8), 90))));
        Assert.That(writer.ElementBytes, Is.EqualTo(new[] { 16, 1 }));
    }

    private static bool IsMet((string Start, int Major, int Minor, string Architecture) need, PtxTarget target)
        => target.Version.CompareTo(new PtxVersion(need.Major, need.Minor)) >= 0 && need.Architecture switch
        {
            "sm_80 or newer" => target.Architecture >= 80,
            "sm_90 or newer" => target.Architecture >= 90,
            _ => target is { Architecture: 90, IsSpecific: true },
        };

    /// <summary>The methods that a method calls: ECMA-335, the instructions call and callvirt with their
    /// tokens.</summary>
    private static IEnumerable<MethodBase> Calls(MethodInfo method)
    {
        byte[] code = method.GetMethodBody()!.GetILAsByteArray()!;
        for (int index = 0; index + 5 <= code.Length; index++)
        {
            int token = BitConverter.ToInt32(code, index + 1);
            // Other instructions may contain these bytes, but hardly the token of a member of the writer.
            if (code[index] is not (0x28 or 0x6F) || (token >> 24) is not (0x06 or 0x0A or 0x2B))
                continue;
            MethodBase? called = null;
            try
            {
                called = method.Module.ResolveMethod(token);
            }
            catch (ArgumentException)
            {
                // Not a token of a method.
            }

            if (called is MethodInfo { IsGenericMethod: true } generic)
                yield return generic.GetGenericMethodDefinition();
            else if (called is not null)
                yield return called;
        }
    }
}
